package archivetest

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

// Life is one life of a replica that keeps a journal.
type Life struct {
	*Replica
	Dir     string
	Journal *takeover.Taker
	Failed  atomic.Int64
}

// NewLife starts a life of the named replica on the spool in dir, which an earlier life may have left. A journal object
// is full at maxObject bytes. It stops nothing: the life before is to have ended.
func NewLife(t *testing.T, name, dir string, store archive.Store, maxObject int64) *Life {
	l := &Life{Replica: NewReplica(t, dir, store), Dir: dir}
	l.Journal = takeover.New(journal.New(journal.Config{Replica: name, MaxObject: maxObject, Grace: time.Minute}, store, l.Spool,
		QuietLogger(), func(error) { l.Failed.Add(1) }))
	return l
}

// NewCompactLife starts a first life whose journal writes a log's whole frames anew once they lie in so many objects.
func NewCompactLife(t *testing.T, name string, store archive.Store, maxObject int64, compact int) *Life {
	l := &Life{Replica: NewReplica(t, t.TempDir(), store)}
	l.Journal = takeover.New(journal.New(journal.Config{Replica: name, MaxObject: maxObject, Compact: compact}, store, l.Spool, QuietLogger(), func(error) {}))
	return l
}

// Write appends lines to the log of a pod's container. They are not flushed, nor journaled.
func (l *Life) Write(p archive.PodRef, container string, lines []archive.Line) *spool.Log {
	l.T.Helper()
	log := OpenLog(l.T, l.Spool, InstanceOf(p, container))
	if _, err := log.Append(lines...); err != nil {
		l.T.Fatal(err)
	}
	return log
}

// Draft saves a draft of a pod that is in the phase.
func (l *Life) Draft(p archive.PodRef, phase string) {
	l.T.Helper()
	if err := l.Spool.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Version: "v1", Pod: archive.PodSummary{PodRef: p, Phase: phase}}}); err != nil {
		l.T.Fatal(err)
	}
}

// Flush has the journal put what is new.
func (l *Life) Flush() {
	l.T.Helper()
	if err := l.Journal.Flush(l.T.Context()); err != nil {
		l.T.Fatalf("Flush: %v", err)
	}
}

// LogPath returns where the spool has a file of the first instance of a pod's container; ext is ".log", ".tail",
// ".json" or the like.
func (l *Life) LogPath(p archive.PodRef, container, ext string) string {
	return filepath.Join(l.Dir, string(p.PodUID), container+".0"+ext)
}

// TakeOver is what a replica does that joins.
func (l *Life) TakeOver(replicas ...string) []archive.PodUID {
	l.T.Helper()
	pods, err := l.Journal.TakeOver(l.T.Context(), replicas, EveryPod, NoWriter)
	if err != nil {
		l.T.Fatalf("TakeOver: %v", err)
	}
	if err := l.Spool.Trust(); err != nil {
		l.T.Fatal(err)
	}
	return pods
}

// SealPod seals every log of a pod in the spool, and the pod.
func (l *Life) SealPod(ctx context.Context, p archive.PodRef) error {
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded"}}
	for _, log := range l.Spool.Logs(p.PodUID) {
		r, err := l.Sealer.Log(ctx, log)
		if err != nil {
			return err
		}
		m.Instances = append(m.Instances, r)
	}
	return l.Sealer.Pod(ctx, m)
}

// SealPods seals the pods 1 to n of PodNumber. One that is sealed already is fine.
func (l *Life) SealPods(pods int) {
	l.T.Helper()
	for n := 1; n <= pods; n++ {
		if err := l.SealPod(l.T.Context(), PodNumber(n)); err != nil && !errors.Is(err, seal.ErrSealed) {
			l.T.Fatalf("seal pod %d: %v", n, err)
		}
	}
}

// SealCreated seals a pod of one line, whose Job (or which itself) was created at the given time, and the Job's
// document.
func (l *Life) SealCreated(p archive.PodRef, created time.Time) {
	l.T.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded", CreatedAt: created}, Workloads: []string{Workload}}
	if p.Job != "" {
		m.Job = &archive.JobSummary{Name: p.Job, UID: p.JobUID, CreatedAt: created}
	}
	record, err := l.Sealer.Log(l.T.Context(), l.Write(p, "main", LinesTimedByNumber(1)))
	if err == nil {
		m.Instances = append(m.Instances, record)
		err = l.Sealer.Pod(l.T.Context(), m)
	}
	if err == nil && p.Job != "" {
		_, err = l.Sealer.Job(l.T.Context(), p, &archive.JobDocument{Namespace: p.Namespace, Job: *m.Job})
	}
	if err != nil {
		l.T.Fatal(err)
	}
}

// CollectToNothing removes what nobody needs, with all other replicas dead, and fails the test where a journal object
// is left.
func (l *Life) CollectToNothing(memory *storetest.Memory) {
	l.T.Helper()
	if err := l.Journal.Collect(l.T.Context(), EveryReplica); err != nil {
		l.T.Fatalf("Collect: %v", err)
	}
	if keys := JournalKeys(memory); len(keys) != 0 {
		l.T.Errorf("garbage is left: %v", keys)
	}
}

// Sweep has retention look once at what is due in store, and returns what it did. Without After in cfg that is 30 days.
func (l *Life) Sweep(cfg retention.Config, store archive.Store) (retention.Stats, error) {
	if cfg.After == 0 {
		cfg.After = 30 * Day
	}
	r := retention.New(cfg, store, l.Journal.Journal, QuietLogger())
	err := r.Sweep(l.T.Context())
	return r.Stats(), err
}
