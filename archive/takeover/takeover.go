package takeover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// takeover is one round of TakeOver.
type takeover struct {
	journal *journal.Journal
	still   func(archive.PodRef)
	final   bool // an object that is not there any more is given up

	objects []archive.Key
	pods    map[archive.PodUID]*takenPod
}

type takenPod struct {
	archive.PodRef
	drafts []journal.Place // of each life of a replica, the newest first
	logs   []*takenLog
}

// Taker takes logs over from journals.
type Taker struct {
	*journal.Journal
	taking chan struct{} // holds one token; whoever has it takes over
}

// New makes a Taker.
func New(j *journal.Journal) *Taker {
	t := &Taker{Journal: j, taking: make(chan struct{}, 1)}
	t.taking <- struct{}{}
	return t
}

// TakeOver puts the open logs of other replicas, or of an earlier life of this one, into the spool, as if this process
// had written them: the frames as they are. Only pods for which mine is true and which are not sealed are taken; it
// returns those of which the spool holds something now. Of several replicas that held a log the highest epoch counts. A
// log that the spool holds already stays unless a journal has more of it, or is of a higher epoch: then it is set
// aside, see spool.Log.Aside. still is called before anything is put into a pod's place: after it nobody should write
// the pod's logs. Where a journal object is damaged the lines that are missing become a Gap.
//
// It may be repeated, also after an error or a crash. spool.ErrFull means that not everything had room: the pods that
// are given are whole all the same.
func (j *Taker) TakeOver(ctx context.Context, replicas []string, mine func(archive.PodRef) bool, still func(archive.PodRef)) ([]archive.PodUID, error) {
	if err := patient.Lock(ctx, j.taking); err != nil {
		return nil, err
	}
	defer func() { j.taking <- struct{}{} }()
	var pods []archive.PodUID
	err := journal.Consistently(func(final bool) (err error) {
		t := &takeover{journal: j.Journal, still: still, final: final, pods: map[archive.PodUID]*takenPod{}}
		pods, err = t.run(ctx, replicas, mine)
		return err
	})
	if err != nil {
		return pods, fmt.Errorf("take over journals of %s: %w", strings.Join(replicas, ", "), err)
	}
	return pods, nil
}

func (t *takeover) run(ctx context.Context, replicas []string, mine func(archive.PodRef) bool) ([]archive.PodUID, error) {
	dir := t.journal.Spool.TakenDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	defer t.discard()
	if err := t.plan(ctx, replicas, mine); err != nil {
		return nil, err
	}
	if err := t.dropSealed(ctx); err != nil {
		return nil, err
	}
	if err := t.fetch(ctx); err != nil {
		return nil, err
	}
	return t.adopt(ctx)
}

// plan settles what to take of the pods that are ours.
func (t *takeover) plan(ctx context.Context, replicas []string, mine func(archive.PodRef) bool) error {
	ours := map[archive.PodUID]bool{} // each is asked about once
	view := &journal.View{Index: t.readIndex, Wants: func(pod archive.PodRef) bool {
		if _, known := ours[pod.PodUID]; !known {
			ours[pod.PodUID] = mine(pod)
		}
		return ours[pod.PodUID]
	}}
	if err := view.Read(ctx, t.journal.Store, replicas, t.final); err != nil {
		return err
	}
	t.objects = view.Keys
	for uid, p := range view.Pods {
		taken := &takenPod{PodRef: p.PodRef, drafts: p.Drafts()}
		for _, best := range p.Logs() {
			l := &takenLog{spool: t.journal.Spool, log: t.journal.Log, best: best}
			l.choose()
			taken.logs = append(taken.logs, l)
		}
		t.pods[uid] = taken
	}
	return nil
}

func (t *takeover) readIndex(ctx context.Context, key archive.Key) (*format.JournalIndex, error) {
	x, err := t.journal.Index(ctx, key)
	switch {
	case errors.Is(err, archive.ErrDamaged):
		// What only this object held is missing; where lines after it are there, that shows as a gap.
		t.journal.Log.Error("journal object is damaged", "key", key, "err", err)
		return nil, nil
	case err != nil || t.journal.Spool.IsForeign(x.Cluster):
		return nil, err
	}
	t.journal.Spool.Saw(x.Epoch)
	return x, nil
}

// changes: something of the pod is taken. A pod that was only drafted is looked at, too.
func (p *takenPod) changes() bool {
	for _, l := range p.logs {
		if !l.stays {
			return true
		}
	}
	return len(p.logs) == 0
}

// dropSealed forgets the pods of which something is taken and that have a manifest: their journal is garbage.
func (t *takeover) dropSealed(ctx context.Context) error {
	pods := make([]*takenPod, 0, len(t.pods))
	for _, p := range t.pods {
		if p.changes() {
			pods = append(pods, p)
		}
	}
	sealed := make([]bool, len(pods))
	err := patient.Parallel(ctx, len(pods), func(ctx context.Context, i int) (err error) {
		sealed[i], err = t.journal.HasManifest(ctx, pods[i].PodRef)
		return err
	})
	for i, p := range pods {
		if sealed[i] {
			delete(t.pods, p.PodUID)
		}
	}
	return err
}

// adopt moves what was fetched to where the spool keeps it. Each pod's draft comes last: a crash before it leaves a pod
// that nobody seals from a part of its logs.
func (t *takeover) adopt(ctx context.Context) (taken []archive.PodUID, err error) {
	for uid, p := range t.pods {
		if ctx.Err() != nil {
			return taken, ctx.Err()
		}
		if failed := t.adoptPod(ctx, p); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		taken = append(taken, uid)
	}
	slices.Sort(taken)
	return taken, err
}

func (t *takeover) adoptPod(ctx context.Context, p *takenPod) error {
	if p.changes() {
		t.still(p.PodRef)
	}
	var failed error
	for _, l := range p.logs {
		if err := l.adopt(); err != nil && failed == nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	return t.adoptDraft(ctx, p)
}

// discard removes the files that were not adopted.
func (t *takeover) discard() {
	for _, p := range t.pods {
		for _, l := range p.logs {
			l.giveBack()
		}
	}
	if err := os.RemoveAll(t.journal.Spool.TakenDir()); err != nil {
		t.journal.Log.Warn("remove files of a takeover; the next start does", "err", err)
	}
}
