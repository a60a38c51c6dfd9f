package read_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
)

// TestGrepIsBounded: what an expression costs is known before it is compiled.
func TestGrepIsBounded(t *testing.T) {
	for _, test := range []struct {
		name string
		grep archive.Grep
		fits bool
	}{
		{"words", archive.Grep{Pattern: "(?i)error|traceback|failed with exit code [0-9]+"}, true},
		{"a hundred words", archive.Grep{Pattern: strings.Repeat("word|", 100) + "x"}, true},
		{"a long text", archive.Grep{Pattern: strings.Repeat("x", 4000), Fixed: true}, true},
		{"times", archive.Grep{Pattern: `\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}`}, true},
		{"a long expression", archive.Grep{Pattern: strings.Repeat(".x", 1500)}, false},
		{"a repetition", archive.Grep{Pattern: "(xy?){900}"}, false},
		{"repetitions of repetitions", archive.Grep{Pattern: "((x{10}){10}){10}z"}, false},
		{"many repetitions", archive.Grep{Pattern: strings.Repeat("[a-z].{0,99}", 30)}, false},
	} {
		q := archive.Query{Target: archivetest.WholeJob, Grep: &test.grep}
		err := q.Validate()
		var bad *archive.QueryError
		if test.fits && err != nil || !test.fits && (!errors.As(err, &bad) || bad.Field != "Pattern") {
			t.Errorf("%s: got %v, want that it fits: %v", test.name, err, test.fits)
		}
	}
}

// TestGrepStopsInsideAFrame: who leaves ends the matching, also in the middle of a frame in which nothing matches.
func TestGrepStopsInsideAFrame(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := make([]archive.Line, 2000)
	for n := range lines {
		lines[n] = archive.Line{Time: archivetest.Start, Text: bytes.Repeat([]byte("ab"), 60)}
	}
	s.Append("main", lines) // one frame
	ctx, leave := context.WithCancel(t.Context())
	a, err := s.Reader.Read(ctx, archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: "(a|b.?){200}c"}})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, leave)
	began := time.Now()
	for e, err := range a.Entries {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %+v, %v, want the context's end", e, err)
		}
	}
	t.Logf("ended after %v", time.Since(began))
	if took := time.Since(began); took > 5*time.Second { // the whole frame takes longer by far
		t.Errorf("took %v after its reader had left", took)
	}
}

// TestGrepTakesTurns: an answer whose consumer is slow, or has stopped, holds up no other that matches expressions.
func TestGrepTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		s.Append("main", archivetest.LinesTimedByNumber(1000))
		q := archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: "l.ne"}}
		stop := make(chan struct{})
		for range 20 {
			go func() {
				a, err := s.Reader.Read(t.Context(), q)
				if err != nil {
					t.Error(err)
					return
				}
				for range a.Entries {
					<-stop
				}
			}()
		}
		synctest.Wait()
		if _, got := archivetest.ReadWhole(t, s.Reader, q); len(got) != 1000 {
			t.Errorf("%d lines while others stand, want 1000", len(got))
		}
		ctx, leave := context.WithCancel(t.Context())
		f := follow(ctx, t, s.Reader, q, func() {})
		synctest.Wait()
		if len(f.entries) != 1000 {
			t.Errorf("a follower has %d lines while others stand, want 1000", len(f.entries))
		}
		leave()
		<-f.ended
		close(stop)
		synctest.Wait()
		if _, got := archivetest.ReadWhole(t, s.Reader, q); len(got) != 1000 {
			t.Errorf("%d lines after all, want 1000", len(got))
		}
	})
}

// TestGrepOfManyLogs: what an answer holds for its expression does not grow with its logs.
func TestGrepOfManyLogs(t *testing.T) {
	s := archivetest.NewShelf(t)
	for n := range 50 {
		s.Append(fmt.Sprintf("c%d", n), archivetest.LinesTimedByNumber(1))
	}
	q := archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: "(li|xy){1,200}ne"}}
	allocated := func(q archive.Query) uint64 {
		return uint64(testing.AllocsPerRun(3, func() {
			if _, err := s.Reader.Read(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}))
	}
	plain := allocated(archive.Query{Target: archivetest.WholeJob})
	one := allocated(archive.Query{Target: archivetest.WholeJob, Grep: q.Grep, Containers: []string{"c1"}})
	if got := allocated(q); got > plain+2*one {
		t.Errorf("%d allocations for 50 logs, want %d at most: an expression for one costs %d, the logs without it %d", got, plain+2*one, one, plain)
	}
}

// TestContextOfManyLogs: what an answer holds of lines that may be before a match does not grow with its logs, whether
// they are followed, or read one after the other.
func TestContextOfManyLogs(t *testing.T) {
	const logs, lines, most = 40, 500, 64 << 20
	q := archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: "nowhere", Fixed: true, Before: archive.MaxContext}}
	for name, followed := range map[string]bool{"followed": true, "one after the other": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := archivetest.NewShelf(t)
				defer s.Spool.Still()
				text := bytes.Repeat([]byte("abcdefgh"), 1000) // 4 MB a log: as much as is kept of one
				for n := range logs {
					all := make([]archive.Line, lines)
					for i := range all {
						all[i] = archive.Line{Time: archivetest.Start + int64(i), Text: text}
					}
					s.Append(fmt.Sprintf("c%d", n), all)
				}
				var during uint64
				before := heapOf()
				ctx, leave := context.WithCancel(t.Context())
				if followed {
					f := follow(ctx, t, s.Reader, q, func() {})
					synctest.Wait()
					during = heapOf()
					leave()
					<-f.ended
				} else {
					a, err := s.Reader.Read(ctx, q)
					if err != nil {
						t.Fatal(err)
					}
					for range a.Entries {
						t.Error("got a line, want none")
					}
					during = heapOf()
					runtime.KeepAlive(a)
					leave()
				}
				if during > before+most {
					t.Errorf("got %d MiB held for one answer, want at most %d", (during-before)>>20, most>>20)
				}
			})
		})
	}
}

// TestContextIsGivenInFull: what bounds the context of an answer of many logs takes nothing from one whose logs are
// few, nor from the last of many that are read one after the other.
func TestContextIsGivenInFull(t *testing.T) {
	s := archivetest.NewShelf(t)
	const logs, lines = 60, 1000
	for n := range logs {
		s.Append(fmt.Sprintf("c%02d", n), append(archivetest.LinesTimedByNumber(lines), archive.Line{Time: archivetest.Start + 1e12, Text: []byte("found")}))
	}
	_, got := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: "found", Fixed: true, Before: archive.MaxContext}})
	if want := logs * (lines + 1); len(got) != want {
		t.Errorf("got %d lines, want %d", len(got), want)
	}
}

// heapOf gives what is held, without what the collector would take.
func heapOf() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
