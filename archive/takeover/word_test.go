package takeover_test

import (
	"context"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestLateFlushDoesNotCount: a replica that was paused past its Lease, and comes back, journals more lines than the one
// who went on without it. Whoever takes over next goes on from that one, whose lines are durable, and so does that one
// after a crash.
func TestLateFlushDoesNotCount(t *testing.T) {
	lines, late := archivetest.ManyLines(3000, 40), archivetest.ManyLines(2000, 41)
	for _, names := range [][]string{{"r-1", "r-2"}, {"r-2", "r-1"}} {
		memory := archivetest.NewJournalStore(t)
		paused := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
		paused.Write(archivetest.PodNumber(1), "main", lines[:1000])
		paused.Flush()
		second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
		second.TakeOver("r-1")
		second.Write(archivetest.PodNumber(1), "main", lines[1000:2000])
		second.Flush()
		paused.Write(archivetest.PodNumber(1), "main", late)
		paused.Flush()

		third := archivetest.NewLife(t, "r-3", t.TempDir(), memory, 0)
		third.TakeOver(names...)
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, third.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines[:2000])
		again := archivetest.NewLife(t, "r-2", second.Dir, memory, 0)
		again.TakeOver(names...)
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, again.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines[:2000])
		// Back among the others, the one that was paused goes on from them, too.
		paused.TakeOver(append(names, "r-3")...)
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, paused.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines[:2000])
	}
}

// TestTakenAndNotWrittenAgain: who took a log over and died while it was writing it again has less of it than the dead
// one before.
func TestTakenAndNotWrittenAgain(t *testing.T) {
	lines := archivetest.ManyLines(40_000, 42)
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	first.Write(archivetest.PodNumber(1), "main", lines)
	first.Flush()
	store := &storetest.Faulty{Store: memory}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 20<<10)
	second.TakeOver("r-1")
	ctx, die := context.WithCancel(t.Context())
	defer die()
	store.Break(storetest.Fault{Op: storetest.OpPut, Skip: 2, Effect: storetest.Before(die)})
	if err := second.Journal.Flush(ctx); err == nil {
		t.Fatal("Flush gave no error")
	}
	store.VerifyAllFired(t)
	third := archivetest.NewLife(t, "r-3", t.TempDir(), memory, 0)
	third.TakeOver("r-2", "r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, third.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
}

// TestTwoCopiesInOneLife: a replica that was paused takes another one's copy of a log in the place of its own, and dies
// before it has written it again. Its journal then has objects of both copies, whose lines do not go on from each
// other.
func TestTwoCopiesInOneLife(t *testing.T) {
	common, own, others := archivetest.ManyLines(1000, 43), archivetest.ManyLines(30_000, 44), archivetest.ManyLines(30_000, 45)
	memory := archivetest.NewJournalStore(t)
	store := &storetest.Faulty{Store: memory}
	paused := archivetest.NewLife(t, "r-1", t.TempDir(), store, 20<<10)
	paused.Write(archivetest.PodNumber(1), "main", common)
	paused.Flush()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	second.Write(archivetest.PodNumber(1), "main", others[:20_000])
	second.Flush()
	paused.Write(archivetest.PodNumber(1), "main", own)
	paused.Flush()

	paused.TakeOver("r-1", "r-2")
	paused.Write(archivetest.PodNumber(1), "main", others[20_000:])
	ctx, die := context.WithCancel(t.Context())
	defer die()
	store.Break(storetest.Fault{Op: storetest.OpPut, Skip: 2, Effect: storetest.Before(die)})
	if err := paused.Journal.Flush(ctx); err == nil {
		t.Fatal("Flush gave no error")
	}
	store.VerifyAllFired(t)
	third := archivetest.NewLife(t, "r-3", t.TempDir(), memory, 0)
	third.TakeOver("r-1", "r-2")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, third.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), slices.Concat(common, others[:20_000]))
}

// TestAsideSurvives: what was read in doubt stays beside what the journals held, over a crash at any step, until it is
// taken up.
func TestAsideSurvives(t *testing.T) {
	lines := archivetest.ManyLines(3000, 46)
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	first.Write(archivetest.PodNumber(1), "main", lines[:2000])
	first.Flush()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.Spool.Doubt(false)
	if err := second.Write(archivetest.PodNumber(1), "main", lines[1500:]).Flush(); err != nil {
		t.Fatal(err)
	}
	second.Flush()
	if keys := archivetest.JournalKeys(memory); len(keys) != 1 {
		t.Errorf("journal has %v, want nothing of a log in doubt", keys)
	}
	second = archivetest.NewLife(t, "r-2", second.Dir, memory, 0) // it is still in doubt
	second.TakeOver("r-1", "r-2")
	for range 2 {
		log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
		linetest.WantLines(t, archivetest.HeldLines(t, log), lines[:2000])
		aside, err := log.Aside()
		if err != nil || aside == nil {
			t.Fatalf("Aside() = %v, %v", aside, err)
		}
		linetest.WantLines(t, archivetest.HeldLines(t, aside), lines[1500:])
		second = archivetest.NewLife(t, "r-2", second.Dir, memory, 0)
		second.TakeOver("r-1", "r-2") // changes nothing
	}
	log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
	if err := log.DropAside(); err != nil {
		t.Fatal(err)
	}
	if aside, err := log.Aside(); aside != nil || err != nil {
		t.Errorf("Aside() = %v, %v after it was dropped", aside, err)
	}
	if err := second.Spool.Drop(archivetest.PodNumber(1).PodUID); err != nil {
		t.Fatal(err)
	}
	if used, _ := second.Spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
}

// TestDoubtEnds: without a journal that says more a log that was begun in doubt is one like any other.
func TestDoubtEnds(t *testing.T) {
	lines := archivetest.ManyLines(100, 47)
	for name, end := range map[string]func(*archivetest.Life){
		"trusted": func(l *archivetest.Life) { l.TakeOver() }, "given up": func(l *archivetest.Life) { l.Spool.EndDoubt() },
	} {
		t.Run(name, func(t *testing.T) {
			memory := archivetest.NewJournalStore(t)
			first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
			first.Spool.Doubt(false)
			first.Write(archivetest.PodNumber(1), "main", lines)
			end(first)
			first.Flush()
			second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			second.TakeOver("r-1")
			linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
		})
	}
}
