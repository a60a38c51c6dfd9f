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

// takeover is one round of TakeOver. What it holds in memory grows with the logs and frames that are taken, by some
// tens of bytes for each of the latter, never with their bytes.
type takeover struct {
	journal  *journal.Journal
	replicas []string
	mine     func(archive.PodRef) bool
	still    func(archive.PodRef)
	final    bool // an object that is not there any more is given up

	objects []archive.Object
	pods    map[archive.PodUID]*takenPod
	skipped map[archive.PodUID]bool // not ours
}

type takenPod struct {
	ref     archive.PodRef
	draft   journal.Place // of the newest draft; size 0: none
	drafted int64         // since when its writer's word counts
	logs    map[archive.LogID]*takenLog
}

// errMoved means that an object went away while it was needed: its replica lives, and has newer ones.
var errMoved = errors.New("journal changed while it was read")

// Taker takes logs over from journals.
type Taker struct {
	*journal.Journal
	taking chan struct{} // holds one token; who has it takes over
}

// New makes a Taker.
func New(j *journal.Journal) *Taker {
	t := &Taker{Journal: j, taking: make(chan struct{}, 1)}
	t.taking <- struct{}{}
	return t
}

// TakeOver puts the open logs of other replicas, or of an earlier life of this one, into the spool, as if this process
// had written them: the frames as they are. Only pods for which mine is true and which are not sealed are taken; it
// gives those of which the spool holds something now. Of several that held a log the word of the one counts who took
// over last. A log that the spool holds already stays unless a journal has more of it, or has the word: then it is set
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
	const tries = 5
	for try := 1; ; try++ {
		t := &takeover{
			journal: j.Journal, replicas: replicas, mine: mine, still: still, final: try == tries,
			pods: map[archive.PodUID]*takenPod{}, skipped: map[archive.PodUID]bool{},
		}
		pods, err := t.run(ctx)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return pods, fmt.Errorf("take over journals of %s: %w", strings.Join(replicas, ", "), err)
		}
		return pods, nil
	}
}

func (t *takeover) run(ctx context.Context) ([]archive.PodUID, error) {
	dir := t.journal.Spool.TakenDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	defer t.discard()
	for _, replica := range t.replicas {
		objects, err := t.journal.List(ctx, replica)
		if err != nil {
			return nil, err
		}
		t.objects = append(t.objects, objects...)
	}
	if err := t.readIndexes(ctx); err != nil {
		return nil, err
	}
	for _, p := range t.pods {
		for _, l := range p.logs {
			l.choose()
		}
	}
	if err := t.dropSealed(ctx); err != nil {
		return nil, err
	}
	if err := t.fetch(ctx); err != nil {
		return nil, err
	}
	return t.adopt(ctx)
}

// readIndexes plans what to take. The objects count in their order, whatever the order of the answers.
func (t *takeover) readIndexes(ctx context.Context) error {
	indexes := make([]*format.JournalIndex, patient.AtOnce)
	for start := 0; start < len(t.objects); start += patient.AtOnce {
		n := min(patient.AtOnce, len(t.objects)-start)
		err := patient.Parallel(ctx, n, func(ctx context.Context, i int) (err error) {
			indexes[i], err = t.readIndex(ctx, t.objects[start+i].Key)
			return err
		})
		if err != nil {
			return err
		}
		for i, x := range indexes[:n] {
			if x != nil {
				t.plan(start+i, x)
			}
		}
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
	case errors.Is(err, archive.ErrNotFound) && t.final:
		return nil, nil
	case errors.Is(err, archive.ErrNotFound):
		return nil, errMoved
	case err == nil && t.journal.Spool.IsForeign(x.Cluster):
		return nil, nil
	}
	return x, err
}

func (t *takeover) plan(object int, x *format.JournalIndex) {
	t.journal.Spool.Saw(x.Since)
	for i := range x.Pods {
		p := t.pod(x.Pods[i].PodRef)
		if p == nil {
			continue
		}
		if d := x.Pods[i].Draft; d != nil && x.Since >= p.drafted {
			p.draft, p.drafted = journal.Place{Object: object, JournalPart: *d}, x.Since
		}
		for k := range x.Pods[i].Logs {
			e := &x.Pods[i].Logs[k]
			instance := e.Instance(p.ref)
			l := p.logs[instance.ID()]
			if l == nil {
				l = &takenLog{spool: t.journal.Spool, log: t.journal.Log}
				p.logs[instance.ID()] = l
			}
			l.chain(x.Life, e.Copy, instance).Add(object, x.Since, e)
		}
	}
}

// pod gives the pod where it is ours.
func (t *takeover) pod(ref archive.PodRef) *takenPod {
	if p := t.pods[ref.PodUID]; p != nil || t.skipped[ref.PodUID] {
		return p
	}
	if !t.mine(ref) {
		t.skipped[ref.PodUID] = true
		return nil
	}
	p := &takenPod{ref: ref, logs: map[archive.LogID]*takenLog{}}
	t.pods[ref.PodUID] = p
	return p
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
		sealed[i], err = t.journal.HasManifest(ctx, pods[i].ref)
		return err
	})
	for i, p := range pods {
		if sealed[i] {
			delete(t.pods, p.ref.PodUID)
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
		t.still(p.ref)
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
