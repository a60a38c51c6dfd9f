package spool_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

func TestLogHoldsWhatWasAppended(t *testing.T) {
	for name, lines := range map[string][]archive.Line{"odd": archivetest.OddLines(), "many": archivetest.ManyLines(40_000, 1), "none": nil} {
		for _, every := range []int{1, 7, 100_000} {
			t.Run(fmt.Sprintf("%s lines, flush every %d", name, every), func(t *testing.T) {
				if every == 1 {
					lines = lines[:min(len(lines), 1020)]
				}
				dir := t.TempDir()
				log := archivetest.OpenLog(t, archivetest.OpenSpool(t, dir, 1<<30), archivetest.Instance("main"))
				for n, line := range lines {
					if _, err := log.Append(line); err != nil {
						t.Fatalf("Append: %v", err)
					}
					if n%every == 0 {
						if err := log.Flush(); err != nil {
							t.Fatalf("Flush: %v", err)
						}
					}
				}
				linetest.WantLines(t, archivetest.HeldLines(t, log), lines)
				if err := log.Flush(); err != nil {
					t.Fatalf("Flush: %v", err)
				}
				again := archivetest.OpenLog(t, archivetest.OpenSpool(t, dir, 1<<30), archivetest.Instance("main"))
				linetest.WantLines(t, archivetest.HeldLines(t, again), lines)
				if got, want := again.Summary().Lines, int64(len(lines)); got != want {
					t.Errorf("recovered %d lines, want %d", got, want)
				}
			})
		}
	}
}

func TestHeldSince(t *testing.T) {
	lines := archivetest.ManyLines(40_000, 2)
	log := archivetest.OpenLog(t, archivetest.OpenSpool(t, t.TempDir(), 1<<30), archivetest.Instance("main"))
	if _, err := log.Append(lines...); err != nil {
		t.Fatal(err)
	}
	since := lines[30_000].Time
	var got int
	if err := log.Held(since, func(l archive.Line) bool { got++; return l.Time >= since }); err != nil {
		t.Fatal(err)
	}
	if want := 10_000; got != want {
		t.Errorf("got %d lines since, want %d", got, want)
	}
	last, ok, err := log.Last()
	if err != nil || !ok || string(last.Text) != string(lines[len(lines)-1].Text) {
		t.Errorf("Last() = %q, %t, %v; want %q", last.Text, ok, err, lines[len(lines)-1].Text)
	}
}

// TestHeldFrom: behind the first line that is not before a time all come, in whole frames and in those that are open.
func TestHeldFrom(t *testing.T) {
	log := archivetest.OpenLog(t, archivetest.OpenSpool(t, t.TempDir(), 64<<20), archivetest.Instance("main"))
	lines := archivetest.ManyLines(30_000, 7)
	for n := range lines {
		lines[n].Time = int64(n + 1)
	}
	for n := 10_000; n < len(lines); n += 2 { // the clock was set back
		lines[n].Time = 1
	}
	if _, err := log.Append(lines...); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{0: 30_000, 9_999: 20_001, 10_000: 19_999, 29_999: 1} {
		got := 0
		if err := log.HeldFrom(int64(n+1), func(archive.Line) bool { got++; return true }); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got %d lines from line %d on, want %d", got, n, want)
		}
	}
}

func TestSpoolFullTakesNothingAway(t *testing.T) {
	const limit = 600 << 10
	disk := archivetest.OpenSpool(t, t.TempDir(), limit)
	log := archivetest.OpenLog(t, disk, archivetest.Instance("main"))
	lines := archivetest.ManyLines(200_000, 5)
	taken := 0
	for taken < len(lines) {
		n, err := log.Append(lines[taken : taken+100]...)
		taken += n
		if errors.Is(err, spool.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if taken == len(lines) {
		t.Fatal("the spool was never full")
	}
	if used, _ := disk.Used(); used > limit {
		t.Errorf("spool uses %d bytes of %d", used, limit)
	}
	linetest.WantLines(t, archivetest.HeldLines(t, log), lines[:taken])
	if err := disk.Drop(archivetest.Pod.PodUID); err != nil {
		t.Fatal(err)
	}
	if used, _ := disk.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
	if held, _ := disk.Held(); held != 0 {
		t.Errorf("%d bytes of text are counted in an empty spool", held)
	}
}

func TestMemoryLimitFlushes(t *testing.T) {
	disk, err := spool.Open(spool.Config{
		Dir: t.TempDir(), Limit: 1 << 30, Memory: 100 << 10, FlushInterval: time.Hour,
	}, archivetest.NewCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lines := archivetest.ManyLines(20_000, 6)
	logs := map[string]*spool.Log{}
	for n, line := range lines {
		name := fmt.Sprintf("c%d", n%10)
		if logs[name] == nil {
			logs[name] = archivetest.OpenLog(t, disk, archivetest.Instance(name))
		}
		if _, err := logs[name].Append(line); err != nil {
			t.Fatal(err)
		}
		if held, limit := disk.Held(); held > limit+200 {
			t.Fatalf("%d bytes of text in memory, the limit is %d", held, limit)
		}
	}
}
