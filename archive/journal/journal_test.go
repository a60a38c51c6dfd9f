package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestTakeOverFromTheStoreAlone(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	store := &storetest.Faulty{Store: memory}
	first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
	big, small := archivetest.ManyLines(20_000, 1), archivetest.ManyLines(100, 2)
	for n := range 4 { // in pieces, so that frames are small at first and whole later
		first.Write(archivetest.PodNumber(1), "main", big[n*5000:(n+1)*5000])
		first.Write(archivetest.PodNumber(2), "main", small[n*25:(n+1)*25])
		first.Draft(archivetest.PodNumber(1), fmt.Sprint("phase-", n))
		first.Flush()
	}
	first.Write(archivetest.PodNumber(3), "main", nil)
	first.Write(archivetest.PodNumber(4), "main", small).Gap(archive.Gap{AfterLine: 100, Reason: archive.GapRotated})
	if _, err := first.Write(archivetest.PodNumber(5), "main", small).End(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Sealer.Log(t.Context(), first.Write(archivetest.PodNumber(6), "main", small)); err != nil {
		t.Fatal(err)
	}
	puts := store.Count(storetest.OpPut).Requests
	first.Flush()
	first.Flush() // nothing new: nothing is put
	if got := store.Count(storetest.OpPut).Requests - puts; got != 1 {
		t.Errorf("%d puts for the last flush, want 1", got)
	}

	second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
	pods, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, func(p archive.PodRef) bool { return p.PodUID != "uid-2" }, archivetest.NoWriter)
	if err != nil || len(pods) != 5 {
		t.Fatalf("TakeOver() = %v, %v; want 5 pods", pods, err)
	}
	main := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
	linetest.WantLines(t, archivetest.HeldLines(t, main), big)
	want, _ := os.ReadFile(first.LogPath(archivetest.PodNumber(1), "main", ".log"))
	if got, _ := os.ReadFile(second.LogPath(archivetest.PodNumber(1), "main", ".log")); !bytes.Equal(got, want) || len(want) == 0 {
		t.Errorf("the whole frames are not those that the first replica wrote: %d bytes, want %d", len(got), len(want))
	}
	if d, err := second.Spool.Draft("uid-1"); err != nil || d.Pod.Phase != "phase-3" {
		t.Errorf("Draft() = %+v, %v; want the newest", d, err)
	}
	if got := len(second.Spool.Logs("uid-2")); got != 0 {
		t.Errorf("%d logs of a pod that is not ours", got)
	}
	if sum := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(4), "main")).Summary(); sum.Lines != 100 || len(sum.Gaps) != 1 {
		t.Errorf("got %d lines with gaps %v, want 100 with one", sum.Lines, sum.Gaps)
	}
	if len(second.Spool.Logs("uid-3")) != 1 || archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(3), "main")).Summary().Lines != 0 {
		t.Error("a log without lines was not taken over")
	}
	if !archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(5), "main")).Ended() {
		t.Error("a log that was read to its end is open again")
	}
	if r, ok, err := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(6), "main")).Record(); !ok || err != nil || r.Log == nil {
		t.Errorf("Record() = %+v, %t, %v; want that of the dead replica", r, ok, err)
	}
	if again := second.TakeOver("r-1"); len(again) != 6 {
		t.Errorf("second TakeOver gave %v, want all 6", again)
	}
	second.SealPods(6)
	second.CollectToNothing(memory)
	if used, _ := second.Spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
}

func TestJournalSplitsAtMaxObject(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 100<<10)
	lines := archivetest.ManyLines(40_000, 3)
	for n := 1; n <= 3; n++ {
		first.Write(archivetest.PodNumber(n), "main", lines)
	}
	first.Flush()
	keys := archivetest.JournalKeys(memory)
	if len(keys) < 4 {
		t.Errorf("%d objects, want several", len(keys))
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	for n := 1; n <= 3; n++ {
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(n), "main"))), lines)
	}
	if used, _ := first.Spool.Used(); used == 0 {
		t.Error("the spool counts nothing")
	}
}

// TestJournalIsWrittenOnce: of a long log that is slow the objects go whose lines stand in whole frames.
func TestCollectOfSupersededObjects(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(20_000, 4)
	for n := range 200 {
		first.Write(archivetest.PodNumber(1), "main", lines[n*100:(n+1)*100])
		first.Flush()
	}
	if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
		t.Fatal(err)
	}
	if got := len(archivetest.JournalKeys(memory)); got == 0 || got > 60 {
		t.Errorf("%d objects are left, want those with whole frames and the newest small ones", got)
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
}

func TestJournalRun(t *testing.T) {
	archivetest.WarmCodec(t)
	synctest.Test(t, func(t *testing.T) {
		memory := archivetest.NewJournalStore(t)
		store := &storetest.Faulty{Store: memory}
		first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- first.Journal.Run(ctx) }()
		lines := archivetest.ManyLines(1000, 5)
		first.Write(archivetest.PodNumber(1), "main", lines[:500])
		time.Sleep(3 * time.Second)
		if got := first.Journal.Lag(); got != 3*time.Second {
			t.Errorf("Lag() = %s, want 3s", got)
		}
		time.Sleep(3 * time.Second)
		if got := first.Journal.Lag(); got != 0 || len(archivetest.JournalKeys(memory)) != 1 {
			t.Errorf("Lag() = %s with %d objects, want 0 and 1", got, len(archivetest.JournalKeys(memory)))
		}
		// The store is away for ten minutes: whoever appends is not held up, and the lag says so.
		store.Break(storetest.Fault{Op: storetest.OpPut, Times: -1})
		first.Write(archivetest.PodNumber(1), "main", lines[500:600])
		time.Sleep(10 * time.Minute)
		if got := first.Journal.Lag(); got != 10*time.Minute {
			t.Errorf("Lag() = %s, want 10m", got)
		}
		first.Write(archivetest.PodNumber(1), "main", lines[600:900])
		store.Mend()
		time.Sleep(time.Minute)
		if got := first.Journal.Lag(); got != 0 {
			t.Errorf("Lag() = %s after the outage, want 0", got)
		}
		first.Write(archivetest.PodNumber(1), "main", lines[900:])
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
		second.TakeOver("r-1")
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
	})
}
