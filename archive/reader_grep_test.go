package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
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
		q := archive.Query{Target: wholeJob, Grep: &test.grep}
		err := q.Validate()
		var bad *archive.QueryError
		if test.fits && err != nil || !test.fits && (!errors.As(err, &bad) || bad.Field != "Pattern") {
			t.Errorf("%s: got %v, want that it fits: %v", test.name, err, test.fits)
		}
	}
}

// TestGrepStopsInsideAFrame: who leaves ends the matching, also in the middle of a frame in which nothing matches.
func TestGrepStopsInsideAFrame(t *testing.T) {
	s := newShelf(t)
	lines := make([]archive.Line, 2000)
	for n := range lines {
		lines[n] = archive.Line{Time: start, Text: bytes.Repeat([]byte("ab"), 60)}
	}
	s.append("main", lines) // one frame
	ctx, leave := context.WithCancel(t.Context())
	a, err := s.reader.Read(ctx, archive.Query{Target: wholeJob, Grep: &archive.Grep{Pattern: "(a|b.?){200}c"}})
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
		s := newShelf(t)
		defer s.spool.Still()
		s.append("main", numbered(1000))
		q := archive.Query{Target: wholeJob, Grep: &archive.Grep{Pattern: "l.ne"}}
		stop := make(chan struct{})
		for range 20 {
			go func() {
				a, err := s.reader.Read(t.Context(), q)
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
		if _, got := read(t, s.reader, q); len(got) != 1000 {
			t.Errorf("%d lines while others stand, want 1000", len(got))
		}
		ctx, leave := context.WithCancel(t.Context())
		f := follow(ctx, t, s.reader, q, func() {})
		synctest.Wait()
		if len(f.entries) != 1000 {
			t.Errorf("a follower has %d lines while others stand, want 1000", len(f.entries))
		}
		leave()
		<-f.ended
		close(stop)
		synctest.Wait()
		if _, got := read(t, s.reader, q); len(got) != 1000 {
			t.Errorf("%d lines after all, want 1000", len(got))
		}
	})
}

// TestGrepOfManyLogs: what an answer holds for its expression does not grow with its logs.
func TestGrepOfManyLogs(t *testing.T) {
	s := newShelf(t)
	for n := range 50 {
		s.append(fmt.Sprintf("c%d", n), numbered(1))
	}
	q := archive.Query{Target: wholeJob, Grep: &archive.Grep{Pattern: "(li|xy){1,200}ne"}}
	allocated := func(q archive.Query) uint64 {
		return uint64(testing.AllocsPerRun(3, func() {
			if _, err := s.reader.Read(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}))
	}
	plain := allocated(archive.Query{Target: wholeJob})
	one := allocated(archive.Query{Target: wholeJob, Grep: q.Grep, Containers: []string{"c1"}})
	if got := allocated(q); got > plain+2*one {
		t.Errorf("%d allocations for 50 logs, want %d at most: an expression for one costs %d, the logs without it %d", got, plain+2*one, one, plain)
	}
}
