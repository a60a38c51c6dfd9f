package follow

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/metrics"
)

var asideInstance = archive.Instance{
	PodRef: archive.PodRef{Namespace: "ns", Pod: "p", PodUID: "uid"}, Container: "main", ContainerID: "containerd://main",
}

// shelf is a spool over a folder with its journal.
func shelf(t *testing.T, replica, dir string, store archive.Store, limit int64) (*spool.Spool, *journal.Journal) {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: dir, Limit: limit, Memory: 1 << 20, FlushInterval: 1}, codec, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return spool, journal.New(journal.Config{Replica: replica}, store, spool, quiet, func(error) {})
}

func hold(t *testing.T, spool *spool.Spool, gaps []archive.Gap, from, to int) *spool.Log {
	t.Helper()
	log, err := spool.Log(asideInstance)
	for n := from; n < to && err == nil; n++ {
		for _, g := range gaps {
			if g.AfterLine == log.Summary().Lines {
				log.Gap(g)
			}
		}
		_, err = log.Append(archive.Line{Time: int64(n) * 1e9, Text: fmt.Appendf(nil, "line %d", n)})
	}
	if err == nil {
		err = log.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// TestRejoin takes up what was read in doubt behind what a journal held, twice, as after a crash before what lay aside
// was removed.
func TestRejoin(t *testing.T) {
	late := archive.Gap{Reason: archive.GapLateStart, Unproven: true}
	lost := archive.Gap{AfterLine: 5, Reason: archive.GapRotated}
	for _, tt := range []struct {
		name     string
		dead     int // lines in the journal of the dead
		from, to int // lines that were read in doubt
		gaps     []archive.Gap
		want     []archive.Gap // their places, in the whole log
		lines    int
	}{
		{"they meet", 20, 15, 40, []archive.Gap{late}, nil, 40},
		{"one begins where the other ends", 20, 20, 40, []archive.Gap{late}, []archive.Gap{{AfterLine: 20, Reason: archive.GapRotated}}, 40},
		{"they do not meet", 20, 30, 40, []archive.Gap{late}, []archive.Gap{{AfterLine: 20, Reason: archive.GapRotated}}, 30},
		{"nothing is new", 20, 10, 20, []archive.Gap{late}, nil, 20},
		{"a gap further on", 20, 17, 40, []archive.Gap{late, lost}, []archive.Gap{{AfterLine: 22, Reason: archive.GapRotated}}, 40},
		{"a gap where the journal has lines", 20, 12, 40, []archive.Gap{late, lost}, nil, 40},
		{"from the start", 10, 0, 30, nil, nil, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, dir := storetest.NewMemory(t), t.TempDir()
			dead, journal := shelf(t, "a", t.TempDir(), store, 1<<30)
			hold(t, dead, nil, 0, tt.dead)
			if err := journal.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			taker, journal := shelf(t, "b", dir, store, 1<<30)
			taker.Doubt(false)
			hold(t, taker, tt.gaps, tt.from, tt.to)
			if _, err := takeover.New(journal).TakeOver(t.Context(), []string{"a"}, func(archive.PodRef) bool { return true }, func(archive.PodRef) {}); err != nil {
				t.Fatal(err)
			}
			if err := taker.Trust(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "uid", "main.0.aside.log")
			left, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				rejoined(t, taker, tt.lines, tt.want)
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("got %v, want nothing aside any more", err)
				}
				if err := os.WriteFile(path, left, 0o600); err != nil {
					t.Fatal(err)
				}
				taker, _ = shelf(t, "b", dir, store, 1<<30)
			}
		})
	}
}

func rejoined(t *testing.T, spool *spool.Spool, lines int, gaps []archive.Gap) {
	t.Helper()
	log, err := spool.Log(asideInstance)
	if err != nil {
		t.Fatal(err)
	}
	f := New(Config{}, log, Parts{
		Count: metrics.NewFollow(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Budget: NewBudget(1, 1, spool.Room),
	})
	if ended, err := f.Rejoin(t.Context()); ended || err != nil {
		t.Fatalf("rejoin() = %t, %v", ended, err)
	}
	last := int64(-1)
	if err := log.Held(0, func(l archive.Line) bool {
		if l.Time <= last {
			t.Errorf("line of %d after one of %d", l.Time, last)
		}
		last = l.Time
		return true
	}); err != nil {
		t.Fatal(err)
	}
	var got []archive.Gap
	for _, g := range log.Summary().Gaps {
		got = append(got, archive.Gap{AfterLine: g.AfterLine, Reason: g.Reason})
	}
	if s := log.Summary(); s.Lines != int64(lines) || !slices.Equal(got, gaps) {
		t.Errorf("got %d lines and gaps %+v, want %d and %+v", s.Lines, s.Gaps, lines, gaps)
	}
}
