package takeover_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestJournalCrashTable breaks the put of a journal object in every way. What was journaled before is taken over in
// each case, what the object held where it was stored, and nothing is left in the end.
func TestJournalCrashTable(t *testing.T) {
	archivetest.WarmCodec(t)
	lines := archivetest.ManyLines(2000, 20)
	for way, stored := range map[string]bool{
		"not stored": true, "stored but reported failed": true, "crash before": false, "crash after": true,
	} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := archivetest.NewJournalStore(t)
				store := &storetest.Faulty{Store: memory}
				first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
				first.Write(archivetest.PodNumber(1), "main", lines[:1000])
				first.Flush()
				ctx, die := context.WithCancel(t.Context())
				defer die()
				store.Break(storetest.Fault{Op: storetest.OpPut, Key: "v1/_journal/*", Effect: map[string]storetest.Effect{
					"not stored": storetest.NotStored(nil), "stored but reported failed": storetest.Stored(nil),
					"crash before": storetest.Before(die), "crash after": storetest.After(die),
				}[way]})
				first.Write(archivetest.PodNumber(1), "main", lines[1000:])
				if err := first.Journal.Flush(ctx); (err != nil) != (ctx.Err() != nil) {
					t.Fatalf("Flush: %v, crashed: %t", err, ctx.Err() != nil)
				}
				store.VerifyAllFired(t)
				if got := first.Journal.Stats().Collisions; got != 0 {
					t.Errorf("%d collisions with nobody", got)
				}
				second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
				second.TakeOver("r-1")
				want := map[bool]int{true: 2000, false: 1000}[stored]
				linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines[:want])
				second.SealPods(1)
				second.CollectToNothing(memory)
			})
		})
	}
}

// TestLastJournalIsWrittenAgain: a put that the end of the process broke off may have landed; the last flush goes on
// behind it.
func TestLastJournalIsWrittenAgain(t *testing.T) {
	archivetest.WarmCodec(t)
	synctest.Test(t, func(t *testing.T) {
		memory := archivetest.NewJournalStore(t)
		store := &storetest.Faulty{Store: memory}
		first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
		lines := archivetest.ManyLines(1000, 21)
		ctx, die := context.WithCancel(t.Context())
		store.Break(storetest.Fault{Op: storetest.OpPut, Effect: storetest.After(func() {
			first.Write(archivetest.PodNumber(1), "main", lines[500:])
			die()
		})})
		done := make(chan error, 1)
		go func() { done <- first.Journal.Run(ctx) }()
		first.Write(archivetest.PodNumber(1), "main", lines[:500]).Gap(archive.Gap{AfterLine: 500, Reason: archive.GapRotated})
		time.Sleep(10 * time.Second)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		store.VerifyAllFired(t)
		second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
		second.TakeOver("r-1")
		log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
		linetest.WantLines(t, archivetest.HeldLines(t, log), lines)
		if gaps := log.Summary().Gaps; len(gaps) != 1 {
			t.Errorf("gaps %v, want one", gaps)
		}
		if keys := archivetest.JournalKeys(memory); len(keys) != 2 || first.Journal.Stats().Collisions != 0 {
			t.Errorf("objects %v, %d collisions; want two and none", keys, first.Journal.Stats().Collisions)
		}
	})
}

// TestTakeOverDiesAnywhere kills the process at each request of a takeover, then repeats it on what is left of the
// disk.
func TestTakeOverDiesAnywhere(t *testing.T) {
	lines := archivetest.ManyLines(12_000, 22)
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range 6 {
		for p := 1; p <= 3; p++ {
			first.Write(archivetest.PodNumber(p), "main", lines[n*2000:(n+1)*2000])
			first.Draft(archivetest.PodNumber(p), fmt.Sprint(n))
		}
		first.Flush()
	}
	for skip := 0; ; skip++ {
		store := &storetest.Faulty{Store: memory}
		ctx, die := context.WithCancel(t.Context())
		store.Break(storetest.Fault{Op: storetest.OpGet, Skip: skip, Effect: storetest.Before(die)})
		dir := t.TempDir()
		_, err := archivetest.NewLife(t, "r-2", dir, store, 0).Journal.TakeOver(ctx, []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter)
		if ctx.Err() == nil {
			if skip < 10 || err != nil {
				t.Errorf("takeover without a fault after %d requests: %v", skip, err)
			}
			die()
			break
		}
		store.Mend()
		second := archivetest.NewLife(t, "r-2", dir, store, 0)
		if pods := second.TakeOver("r-1"); len(pods) != 3 {
			t.Errorf("died at request %d: took %v, want three pods", skip, pods)
		}
		for p := 1; p <= 3; p++ {
			linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(p), "main"))), lines)
			if d, err := second.Spool.Draft(archivetest.PodNumber(p).PodUID); err != nil || d.Pod.Phase != "5" {
				t.Errorf("died at request %d: draft %+v, %v", skip, d, err)
			}
		}
	}
}

func TestCollectDiesAtTheDelete(t *testing.T) {
	for name, effect := range map[string]func(func()) storetest.Effect{
		"before": storetest.Before,
		"after":  storetest.After,
	} {
		t.Run(name, func(t *testing.T) {
			memory := archivetest.NewJournalStore(t)
			store := &storetest.Faulty{Store: memory}
			first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
			first.Write(archivetest.PodNumber(1), "main", archivetest.ManyLines(100, 23))
			first.Flush()
			first.SealPods(1)
			ctx, die := context.WithCancel(t.Context())
			defer die()
			store.Break(storetest.Fault{Op: storetest.OpDelete, Effect: effect(die)})
			if err := first.Journal.Collect(ctx, archivetest.NoReplica); err == nil {
				t.Error("Collect gave no error")
			}
			store.VerifyAllFired(t)
			// Its replica never comes back.
			archivetest.NewLife(t, "r-2", t.TempDir(), store, 0).CollectToNothing(memory)
		})
	}
}

// TestTwoTakeOverAtOnce: both take the same logs, and the store decides who seals.
func TestTwoTakeOverAtOnce(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(3000, 24)
	first.Write(archivetest.PodNumber(1), "main", lines)
	first.Flush()
	lives := []*archivetest.Life{archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0), archivetest.NewLife(t, "r-3", t.TempDir(), memory, 0)}
	errs := make([]error, len(lives))
	var both sync.WaitGroup
	for n, l := range lives {
		both.Go(func() {
			if _, errs[n] = l.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter); errs[n] == nil {
				errs[n] = l.SealPod(t.Context(), archivetest.PodNumber(1))
			}
		})
	}
	both.Wait()
	lost := 0
	for n, l := range lives {
		if errors.Is(errs[n], seal.ErrSealed) {
			lost++
		} else if errs[n] != nil {
			t.Error(errs[n])
		}
		if pods, err := l.Spool.Pods(); err != nil || len(pods) != 0 {
			t.Errorf("the spool still holds %v (%v)", pods, err)
		}
	}
	raw, _ := memory.Bytes(archivetest.PodNumber(1).ManifestKey())
	m, err := archive.ReadManifest(bytes.NewReader(raw))
	if err != nil || len(m.Instances) > 1 || lost > 1 {
		t.Fatalf("manifest %+v, %v; %d lost", m, err, lost)
	}
	for _, r := range m.Instances {
		archivetest.CheckLog(t, memory, &r, lines)
	}
	lives[0].CollectToNothing(memory)
}

// TestTakeOverBreaksAtTheDisk has each small file of a takeover fail: the pod is not given, and the next takeover makes
// it whole.
func TestTakeOverBreaksAtTheDisk(t *testing.T) {
	lines := archivetest.ManyLines(3000, 27)
	for _, name := range []string{"main.0.json.new", "pod.json.new", "main.0.log", "main.0.tail"} {
		t.Run(name, func(t *testing.T) {
			memory := archivetest.NewJournalStore(t)
			first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
			first.Write(archivetest.PodNumber(1), "main", lines)
			first.Draft(archivetest.PodNumber(1), "Running")
			first.Flush()
			second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			// A folder with something in it stands in the way of the file.
			block := filepath.Join(second.Dir, string(archivetest.PodNumber(1).PodUID), name)
			if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			if pods, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter); err == nil || len(pods) != 0 {
				t.Errorf("TakeOver() = %v, %v; want no pod and an error", pods, err)
			}
			if d, err := second.Spool.Draft(archivetest.PodNumber(1).PodUID); err == nil {
				t.Errorf("got draft %+v beside a log that failed, want none: the pod would be sealed without it", d.Pod)
			}
			if err := os.RemoveAll(block); err != nil {
				t.Fatal(err)
			}
			if pods := second.TakeOver("r-1"); len(pods) != 1 {
				t.Errorf("took %v, want one pod", pods)
			}
			linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
			if d, err := second.Spool.Draft(archivetest.PodNumber(1).PodUID); err != nil || d.Pod.Phase != "Running" {
				t.Errorf("draft %+v, %v", d, err)
			}
			if err := second.Spool.Drop(archivetest.PodNumber(1).PodUID); err != nil {
				t.Fatal(err)
			}
			if used, _ := second.Spool.Used(); used != 0 {
				t.Errorf("%d bytes are counted in an empty spool", used)
			}
		})
	}
}
