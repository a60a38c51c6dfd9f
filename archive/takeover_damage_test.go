package archive_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestTakeOverOfDamage spoils one object after the other, at many places. What is missing in the middle of a log is a gap, and
// nothing comes twice or out of order.
func TestTakeOverOfDamage(t *testing.T) {
	t.Parallel()
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	lines := numberedLines(2_500)
	for n := range 10 {
		first.write(podNumber(1), "main", lines[n*250:(n+1)*250])
		first.flush()
	}
	gaps := 0
	keys := journalKeys(memory)
	for n, key := range keys {
		whole, _ := memory.Bytes(key)
		for _, at := range []int{3, len(whole) / 3, len(whole) / 2, len(whole) - 20, len(whole) - 2, -len(whole) / 2} {
			spoiled := bytes.Clone(whole)
			if at < 0 { // torn
				spoiled = spoiled[:-at]
			} else {
				spoiled[at] ^= 0x40
			}
			put(t, memory, key, spoiled)
			second := newLife(t, "r-2", t.TempDir(), memory, 0)
			second.takeOver("r-1")
			gaps += checkDamaged(t, second, lines, n < len(keys)-1)
			if t.Failed() {
				t.Fatalf("%s spoiled at %d", key, at)
			}
		}
		put(t, memory, key, whole)
	}
	if gaps == 0 {
		t.Error("no damage became a gap")
	}
}

func put(t *testing.T, store archive.Store, key archive.Key, b []byte) {
	t.Helper()
	if err := store.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// numberedLines have their number as their time.
func numberedLines(n int) []archive.Line {
	lines := longLines(n, 25)
	for i := range lines {
		lines[i].Time = int64(i + 1)
	}
	return lines
}

// checkDamaged says that what is held is some of the lines in order, the last one among them where it must be, and that each
// hole is a gap. It gives the number of gaps.
func checkDamaged(t *testing.T, l *life, lines []archive.Line, toTheEnd bool) int {
	t.Helper()
	log := openLog(t, l.spool, logOfPod(podNumber(1), "main"))
	holes := map[int64]bool{}
	next := int64(1)
	for n, line := range held(t, log) {
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
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	for p := 1; p <= 4; p++ {
		first.write(podNumber(p), "main", manyLines(5000, uint64(p)))
	}
	first.flush()
	used, _ := first.spool.Used()
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.spool = openSpool(t, second.dir, used*3/5)
	second.journal = archive.NewTaker(archive.NewJournal(archive.JournalConfig{Replica: "r-2"}, memory, second.spool, quiet(), func(error) {}))
	pods, err := second.journal.TakeOver(t.Context(), []string{"r-1"}, all, still)
	if !errors.Is(err, archive.ErrSpoolFull) || len(pods) == 0 || len(pods) == 4 {
		t.Errorf("TakeOver() = %v, %v; want some pods and ErrSpoolFull", pods, err)
	}
	if have, limit := second.spool.Used(); have > limit || have == 0 {
		t.Errorf("%d bytes used of %d", have, limit)
	}
	for _, pod := range pods {
		if err := second.spool.Drop(pod); err != nil {
			t.Fatal(err)
		}
	}
	if have, _ := second.spool.Used(); have != 0 {
		t.Errorf("%d bytes are counted in an empty spool", have)
	}
}

// TestTakeOverOfManyLogs: the number of requests does not grow with the number of objects times logs.
func TestTakeOverOfManyLogs(t *testing.T) {
	const logs = 200
	memory := journalMemory(t)
	store := &storetest.Faulty{Store: memory}
	first := newLife(t, "r-1", t.TempDir(), store, 0)
	lines := manyLines(100, 26)
	for half := range 2 {
		for n := range logs {
			first.write(podNumber(n), "main", lines[half*50:(half+1)*50])
		}
		first.flush()
	}
	second := newLife(t, "r-2", t.TempDir(), store, 0)
	before := store.Count(storetest.OpGet).Requests
	began := time.Now()
	if pods := second.takeOver("r-1"); len(pods) != logs {
		t.Errorf("took %d pods, want %d", len(pods), logs)
	}
	// One for each pod's manifest, and few for each object.
	gets := store.Count(storetest.OpGet).Requests - before
	t.Logf("%d logs in %s with %d requests", logs, time.Since(began), gets)
	if gets > logs+10 {
		t.Errorf("%d requests for %d logs", gets, logs)
	}
}

// TestTakeOverOfADamagedEnd: a log that had ended, and of which the last lines cannot be read, has not ended: its end is proven again.
func TestTakeOverOfADamagedEnd(t *testing.T) {
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	lines := longLines(100, 44)
	first.write(podNumber(1), "main", lines[:50])
	first.flush()
	if _, err := first.write(podNumber(1), "main", lines[50:]).End(); err != nil {
		t.Fatal(err)
	}
	first.flush()
	keys := journalKeys(memory)
	whole, _ := memory.Bytes(keys[len(keys)-1])
	spoiled := bytes.Clone(whole)
	spoiled[len(spoiled)/2] ^= 0x40 // of the one frame that holds them all; the index stands at the end
	put(t, memory, keys[len(keys)-1], spoiled)
	for _, want := range []bool{false, true} { // damaged, then whole again
		second := newLife(t, "r-2", t.TempDir(), memory, 0)
		second.takeOver("r-1")
		log := openLog(t, second.spool, logOfPod(podNumber(1), "main"))
		if log.Ended() != want {
			t.Errorf("ended is %t with %d lines, want %t", log.Ended(), log.Summary().Lines, want)
		}
		put(t, memory, keys[len(keys)-1], whole)
	}
}
