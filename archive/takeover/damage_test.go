package takeover_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

// TestTakeOverOfDamage spoils one object after the other, at many places. What is missing in the middle of a log is a
// gap, and nothing comes twice or out of order.
func TestTakeOverOfDamage(t *testing.T) {
	t.Parallel()
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.LinesTimedByNumber(2_500)
	for n := range 10 {
		first.Write(archivetest.PodNumber(1), "main", lines[n*250:(n+1)*250])
		first.Flush()
	}
	gaps := 0
	keys := archivetest.JournalKeys(memory)
	for n, key := range keys {
		whole, _ := memory.Bytes(key)
		for _, at := range []int{3, len(whole) / 3, len(whole) / 2, len(whole) - 20, len(whole) - 2, -len(whole) / 2} {
			spoiled := bytes.Clone(whole)
			if at < 0 { // torn
				spoiled = spoiled[:-at]
			} else {
				spoiled[at] ^= 0x40
			}
			archivetest.PutBytes(t, memory, key, spoiled)
			second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			second.TakeOver("r-1")
			gaps += checkDamaged(t, second, lines, n < len(keys)-1)
			if t.Failed() {
				t.Fatalf("%s spoiled at %d", key, at)
			}
		}
		archivetest.PutBytes(t, memory, key, whole)
	}
	if gaps == 0 {
		t.Error("no damage became a gap")
	}
}

// checkDamaged says that what is held is some of the lines in order, the last one among them where it must be, and that
// each hole is a gap. It gives the number of gaps.
func checkDamaged(t *testing.T, l *archivetest.Life, lines []archive.Line, toTheEnd bool) int {
	t.Helper()
	log := archivetest.OpenLog(t, l.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
	holes := map[int64]bool{}
	next := int64(1)
	for n, line := range archivetest.HeldLines(t, log) {
		if line.Time < next || !bytes.Equal(line.Text, lines[line.Time-1].Text) {
			t.Fatalf("line %d is that of number %d, want %d or later", n, line.Time, next)
		}
		if line.Time > next {
			holes[int64(n)] = true
		}
		next = line.Time + 1
	}
	if toTheEnd && next != int64(len(lines))+1 {
		t.Errorf("lines from number %d on are lost, want those after the damage", next)
	}
	gaps := log.Summary().Gaps
	for _, g := range gaps {
		if g.Reason != archive.GapDamaged || !holes[g.AfterLine] {
			t.Errorf("gap %+v where no line is missing", g)
		}
	}
	if len(gaps) != len(holes) {
		t.Errorf("%d gaps for %d holes", len(gaps), len(holes))
	}
	return len(gaps)
}

func TestTakeOverIntoAFullSpool(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	for p := 1; p <= 4; p++ {
		first.Write(archivetest.PodNumber(p), "main", archivetest.ManyLines(5000, uint64(p)))
	}
	first.Flush()
	used, _ := first.Spool.Used()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.Spool = archivetest.OpenSpool(t, second.Dir, used*3/5)
	second.Journal = takeover.New(journal.New(journal.Config{Replica: "r-2"}, memory, second.Spool, archivetest.QuietLogger(), func(error) {}))
	pods, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter)
	if !errors.Is(err, spool.ErrFull) || len(pods) == 0 || len(pods) == 4 {
		t.Errorf("TakeOver() = %v, %v; want some pods and ErrFull", pods, err)
	}
	if have, limit := second.Spool.Used(); have > limit || have == 0 {
		t.Errorf("%d bytes used of %d", have, limit)
	}
	for _, pod := range pods {
		if err := second.Spool.Drop(pod); err != nil {
			t.Fatal(err)
		}
	}
	if have, _ := second.Spool.Used(); have != 0 {
		t.Errorf("%d bytes are counted in an empty spool", have)
	}
}

// TestTakeOverOfManyLogs: the number of requests does not grow with the number of objects times logs.
func TestTakeOverOfManyLogs(t *testing.T) {
	const logs = 200
	memory := archivetest.NewJournalStore(t)
	store := &storetest.Faulty{Store: memory}
	first := archivetest.NewLife(t, "r-1", t.TempDir(), store, 0)
	lines := archivetest.ManyLines(100, 26)
	for half := range 2 {
		for n := range logs {
			first.Write(archivetest.PodNumber(n), "main", lines[half*50:(half+1)*50])
		}
		first.Flush()
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
	before := store.Count(storetest.OpGet).Requests
	began := time.Now()
	if pods := second.TakeOver("r-1"); len(pods) != logs {
		t.Errorf("took %d pods, want %d", len(pods), logs)
	}
	// One for each pod's manifest, and few for each object.
	gets := store.Count(storetest.OpGet).Requests - before
	t.Logf("%d logs in %s with %d requests", logs, time.Since(began), gets)
	if gets > logs+10 {
		t.Errorf("%d requests for %d logs", gets, logs)
	}
}

// TestTakeOverOfADamagedEnd: a log that had ended, and of which the last lines cannot be read, has not ended: its end
// is proven again.
func TestTakeOverOfADamagedEnd(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.LongLines(100, 44)
	first.Write(archivetest.PodNumber(1), "main", lines[:50])
	first.Flush()
	if _, err := first.Write(archivetest.PodNumber(1), "main", lines[50:]).End(); err != nil {
		t.Fatal(err)
	}
	first.Flush()
	keys := archivetest.JournalKeys(memory)
	whole, _ := memory.Bytes(keys[len(keys)-1])
	spoiled := bytes.Clone(whole)
	spoiled[len(spoiled)/2] ^= 0x40 // of the one frame that holds them all; the index stands at the end
	archivetest.PutBytes(t, memory, keys[len(keys)-1], spoiled)
	for _, want := range []bool{false, true} { // damaged, then whole again
		second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
		second.TakeOver("r-1")
		log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
		if log.Ended() != want {
			t.Errorf("ended is %t with %d lines, want %t", log.Ended(), log.Summary().Lines, want)
		}
		archivetest.PutBytes(t, memory, keys[len(keys)-1], whole)
	}
}
