package archive_test

import (
	"context"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestLateFlushDoesNotCount: a replica that was paused past its Lease, and comes back, journals more lines than the one who went on
// without it. Whoever takes over next goes on from that one, whose lines are durable, and so does that one after a crash.
func TestLateFlushDoesNotCount(t *testing.T) {
	lines, late := manyLines(3000, 40), manyLines(2000, 41)
	for _, names := range [][]string{{"r-1", "r-2"}, {"r-2", "r-1"}} {
		memory := journalMemory(t)
		paused := newLife(t, "r-1", t.TempDir(), memory, 0)
		paused.write(podNumber(1), "main", lines[:1000])
		paused.flush()
		second := newLife(t, "r-2", t.TempDir(), memory, 0)
		second.takeOver("r-1")
		second.write(podNumber(1), "main", lines[1000:2000])
		second.flush()
		paused.write(podNumber(1), "main", late)
		paused.flush()

		third := newLife(t, "r-3", t.TempDir(), memory, 0)
		third.takeOver(names...)
		sameLines(t, held(t, openLog(t, third.spool, logOfPod(podNumber(1), "main"))), lines[:2000])
		again := newLife(t, "r-2", second.dir, memory, 0)
		again.takeOver(names...)
		sameLines(t, held(t, openLog(t, again.spool, logOfPod(podNumber(1), "main"))), lines[:2000])
		// Back among the others, the one that was paused goes on from them, too.
		paused.takeOver(append(names, "r-3")...)
		sameLines(t, held(t, openLog(t, paused.spool, logOfPod(podNumber(1), "main"))), lines[:2000])
	}
}

// TestTakenAndNotWrittenAgain: who took a log over and died while it was writing it again has less of it than the dead one before.
func TestTakenAndNotWrittenAgain(t *testing.T) {
	lines := manyLines(40_000, 42)
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	first.write(podNumber(1), "main", lines)
	first.flush()
	store := &storetest.Faulty{Store: memory}
	second := newLife(t, "r-2", t.TempDir(), store, 20<<10)
	second.takeOver("r-1")
	ctx, die := context.WithCancel(t.Context())
	defer die()
	store.Break(storetest.Fault{Op: storetest.OpPut, Skip: 2, Effect: storetest.Before(die)})
	if err := second.journal.Flush(ctx); err == nil {
		t.Fatal("Flush gave no error")
	}
	store.VerifyAllFired(t)
	third := newLife(t, "r-3", t.TempDir(), memory, 0)
	third.takeOver("r-2", "r-1")
	sameLines(t, held(t, openLog(t, third.spool, logOfPod(podNumber(1), "main"))), lines)
}

// TestTwoCopiesInOneLife: a replica that was paused takes another one's copy of a log in the place of its own, and dies before it
// has written it again. Its journal then has objects of both copies, whose lines do not go on from each other.
func TestTwoCopiesInOneLife(t *testing.T) {
	common, own, others := manyLines(1000, 43), manyLines(30_000, 44), manyLines(30_000, 45)
	memory := journalMemory(t)
	store := &storetest.Faulty{Store: memory}
	paused := newLife(t, "r-1", t.TempDir(), store, 20<<10)
	paused.write(podNumber(1), "main", common)
	paused.flush()
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.takeOver("r-1")
	second.write(podNumber(1), "main", others[:20_000])
	second.flush()
	paused.write(podNumber(1), "main", own)
	paused.flush()

	paused.takeOver("r-1", "r-2")
	paused.write(podNumber(1), "main", others[20_000:])
	ctx, die := context.WithCancel(t.Context())
	defer die()
	store.Break(storetest.Fault{Op: storetest.OpPut, Skip: 2, Effect: storetest.Before(die)})
	if err := paused.journal.Flush(ctx); err == nil {
		t.Fatal("Flush gave no error")
	}
	store.VerifyAllFired(t)
	third := newLife(t, "r-3", t.TempDir(), memory, 0)
	third.takeOver("r-1", "r-2")
	sameLines(t, held(t, openLog(t, third.spool, logOfPod(podNumber(1), "main"))), slices.Concat(common, others[:20_000]))
}

// TestAsideSurvives: what was read in doubt stays beside what the journals held, over a crash at any step, until it is taken up.
func TestAsideSurvives(t *testing.T) {
	lines := manyLines(3000, 46)
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	first.write(podNumber(1), "main", lines[:2000])
	first.flush()
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.spool.Doubt(false)
	if err := second.write(podNumber(1), "main", lines[1500:]).Flush(); err != nil {
		t.Fatal(err)
	}
	second.flush()
	if keys := journalKeys(memory); len(keys) != 1 {
		t.Errorf("journal has %v, want nothing of a log in doubt", keys)
	}
	second = newLife(t, "r-2", second.dir, memory, 0) // it is still in doubt
	second.takeOver("r-1", "r-2")
	for range 2 {
		log := openLog(t, second.spool, logOfPod(podNumber(1), "main"))
		sameLines(t, held(t, log), lines[:2000])
		aside, err := log.Aside()
		if err != nil || aside == nil {
			t.Fatalf("Aside() = %v, %v", aside, err)
		}
		sameLines(t, held(t, aside), lines[1500:])
		second = newLife(t, "r-2", second.dir, memory, 0)
		second.takeOver("r-1", "r-2") // changes nothing
	}
	log := openLog(t, second.spool, logOfPod(podNumber(1), "main"))
	if err := log.DropAside(); err != nil {
		t.Fatal(err)
	}
	if aside, err := log.Aside(); aside != nil || err != nil {
		t.Errorf("Aside() = %v, %v after it was dropped", aside, err)
	}
	if err := second.spool.Drop(podNumber(1).PodUID); err != nil {
		t.Fatal(err)
	}
	if used, _ := second.spool.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
}

// TestDoubtEnds: without a journal that says more a log that was begun in doubt is one like any other.
func TestDoubtEnds(t *testing.T) {
	lines := manyLines(100, 47)
	for name, end := range map[string]func(*life){
		"trusted": func(l *life) { l.takeOver() }, "given up": func(l *life) { l.spool.EndDoubt() },
	} {
		t.Run(name, func(t *testing.T) {
			memory := journalMemory(t)
			first := newLife(t, "r-1", t.TempDir(), memory, 0)
			first.spool.Doubt(false)
			first.write(podNumber(1), "main", lines)
			end(first)
			first.flush()
			second := newLife(t, "r-2", t.TempDir(), memory, 0)
			second.takeOver("r-1")
			sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(1), "main"))), lines)
		})
	}
}
