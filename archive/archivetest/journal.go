package archivetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
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

func NewLife(t *testing.T, name, dir string, store archive.Store, maxObject int64) *Life {
	l := &Life{Replica: NewReplica(t, dir, store), Dir: dir}
	l.Journal = takeover.New(journal.New(journal.Config{Replica: name, MaxObject: maxObject, Grace: time.Minute}, store, l.Spool,
		Quiet(), func(error) { l.Failed.Add(1) }))
	return l
}

func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func JournalMemory(t *testing.T) *storetest.Memory {
	m := storetest.NewMemory(t)
	m.MayReadDeleted = isJournal // a takeover may meet an object that another replica has just removed
	return m
}

func isJournal(key archive.Key) bool { return strings.HasPrefix(string(key), "v1/_journal/") }

func PodNumber(n int) archive.PodRef {
	p := Pod
	p.Pod, p.PodUID = fmt.Sprint("pod-", n), archive.PodUID(fmt.Sprint("uid-", n))
	return p
}

func (l *Life) Write(p archive.PodRef, container string, lines []archive.Line) *spool.Log {
	l.T.Helper()
	log := OpenLog(l.T, l.Spool, LogOfPod(p, container))
	if _, err := log.Append(lines...); err != nil {
		l.T.Fatal(err)
	}
	return log
}

func LogOfPod(p archive.PodRef, container string) archive.Instance {
	i := Instance(container)
	i.PodRef = p
	return i
}

func (l *Life) Draft(p archive.PodRef, phase string) {
	l.T.Helper()
	if err := l.Spool.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Version: "v1", Pod: archive.PodSummary{PodRef: p, Phase: phase}}}); err != nil {
		l.T.Fatal(err)
	}
}

func (l *Life) Flush() {
	l.T.Helper()
	if err := l.Journal.Flush(l.T.Context()); err != nil {
		l.T.Fatalf("Flush: %v", err)
	}
}

func All(archive.PodRef) bool { return true }

func Everyone(string) bool { return true }

func Nobody(string) bool { return false }

func (l *Life) LogPath(p archive.PodRef, container, ext string) string {
	return filepath.Join(l.Dir, string(p.PodUID), container+".0"+ext)
}

func Still(archive.PodRef) {}

// TakeOver is what a replica does that joins.
func (l *Life) TakeOver(replicas ...string) []archive.PodUID {
	l.T.Helper()
	pods, err := l.Journal.TakeOver(l.T.Context(), replicas, All, Still)
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

func JournalKeys(m *storetest.Memory) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if isJournal(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (l *Life) SealAll(pods int) {
	l.T.Helper()
	for n := 1; n <= pods; n++ {
		if err := l.SealPod(l.T.Context(), PodNumber(n)); err != nil && !errors.Is(err, seal.ErrSealed) {
			l.T.Fatalf("seal pod %d: %v", n, err)
		}
	}
}

func (l *Life) CollectToNothing(memory *storetest.Memory) {
	l.T.Helper()
	if err := l.Journal.Collect(l.T.Context(), Everyone); err != nil {
		l.T.Fatalf("Collect: %v", err)
	}
	if keys := JournalKeys(memory); len(keys) != 0 {
		l.T.Errorf("garbage is left: %v", keys)
	}
}
