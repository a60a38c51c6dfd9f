package read_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

// follower reads an answer until it ends.
type follower struct {
	entries []archive.Entry
	err     error
	ended   chan struct{}
}

// follow starts one; pause is what it does after each line.
func follow(ctx context.Context, t *testing.T, r *read.Reader, q archive.Query, pause func()) *follower {
	t.Helper()
	q.Follow = true
	a, err := r.Read(ctx, q)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	f := &follower{ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		for e, err := range a.Entries {
			if err != nil {
				f.err = err
				return
			}
			e.Text = bytes.Clone(e.Text)
			f.entries = append(f.entries, e)
			pause()
		}
	}()
	return f
}

// TestFollowAcrossTheSeal: whatever way the lines take from memory to the log object, and however slow the reader is, a
// follower gets each line once and ends by itself; so does one that knows nothing but the store.
func TestFollowAcrossTheSeal(t *testing.T) {
	for seed := range 40 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { followAcrossTheSeal(t, rand.New(rand.NewPCG(uint64(seed), 7))) })
		})
	}
}

func followAcrossTheSeal(t *testing.T, r *rand.Rand) {
	s := archivetest.NewShelf(t)
	defer s.Spool.Still()
	lines := randomLog(r)
	if len(lines) == 0 {
		return
	}
	q := archivetest.RandomQuery(r, archivetest.WholeJob, archivetest.Instance("main"), lines)
	q.Tail, q.LimitBytes = nil, 0
	first := min(len(lines), r.IntN(100))
	s.AppendInParts(r, lines[:first])
	if first == 0 {
		archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
		if err := s.Journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	slow := time.Duration(r.IntN(3)) * time.Second
	live := follow(t.Context(), t, s.Reader, q, func() { time.Sleep(slow) })
	remote := follow(t.Context(), t, s.Remote(), q, func() {})
	s.AppendNowAndThen(r, lines[first:])
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Second)
	s.FinishJob()
	want := archivetest.Oracle(lines, archivetest.Instance("main"), q)
	for name, f := range map[string]*follower{"live": live, "remote": remote} {
		<-f.ended
		if diff := archivetest.Difference(f.entries, want); f.err != nil || diff != "" {
			t.Errorf("%s follower, %d lines (%d before it began), %s: %s (err %v)", name, len(lines), first, archivetest.QueryText(q), diff, f.err)
		}
	}
}

func TestFollowGivesLinesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
		ctx, stop := context.WithCancel(t.Context())
		f := follow(ctx, t, s.Reader, archive.Query{Target: archivetest.WholeJob}, func() {})
		for n, line := range archivetest.LinesTimedByNumber(10) {
			synctest.Wait()
			time.Sleep(time.Hour)
			before := time.Now()
			if _, err := log.Append(line); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if waited := time.Since(before); waited != 0 || len(f.entries) != n+1 {
				t.Fatalf("%d entries %v after line %d came, want it at once", len(f.entries), waited, n+1)
			}
		}
		stop()
		if <-f.ended; !errors.Is(f.err, context.Canceled) {
			t.Errorf("follower ended with %v, want the context's error", f.err)
		}
	})
}

// TestFollowUntil: who asks for lines before a time gets those that come late, and no answer that never ends.
func TestFollowUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		began := time.Now()
		log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
		write := func(text string, at time.Time) {
			t.Helper()
			if _, err := log.Append(archive.Line{Time: at.UnixNano(), Text: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		write("first", began)
		if err := s.Journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		until := began.Add(time.Minute)
		f := follow(t.Context(), t, s.Reader, archive.Query{Target: archivetest.WholeJob, Until: until}, func() {})
		elsewhere := follow(t.Context(), t, s.Remote(), archive.Query{Target: archivetest.WholeJob, Until: until}, func() {})
		past := follow(t.Context(), t, s.Reader, archive.Query{Target: archivetest.WholeJob, Until: began.Add(-time.Hour)}, func() {})
		if <-past.ended; past.err != nil || len(past.entries) > 0 || time.Since(began) != 0 {
			t.Errorf("until a time that is long past: %d lines, %v after %v, want the end at once", len(past.entries), past.err, time.Since(began))
		}
		time.Sleep(time.Minute + 3*time.Second)
		write("late", until.Add(-time.Nanosecond))
		write("too late", until)
		if err := s.Journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]*follower{"here": f, "elsewhere": elsewhere} {
			if <-f.ended; f.err != nil || len(f.entries) != 2 || string(f.entries[1].Text) != "late" {
				t.Errorf("%s: got %d lines and %v, want the two before that time", name, len(f.entries), f.err)
			}
		}
		if waited := time.Since(until); waited > 15*time.Second {
			t.Errorf("the answers ended %v after that time", waited)
		}
	})
}

// TestReadAcrossARelease: a log that goes to another replica between the look for it and the reading is read from the
// journal that it is in, by a follower too.
func TestReadAcrossARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		lines := archivetest.LinesTimedByNumber(30)
		s.Append("main", lines[:20])
		a, err := s.Reader.Read(t.Context(), archive.Query{Target: archivetest.WholeJob})
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t.Context(), t, s.Reader, archive.Query{Target: archivetest.WholeJob}, func() {})
		synctest.Wait()
		if err := s.Journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Spool.Release(archivetest.Pod.PodUID); err != nil {
			t.Fatal(err)
		}
		var onItsWay []archive.Entry
		for e, err := range a.Entries {
			if err != nil {
				t.Fatalf("reading a log on its way: %v", err)
			}
			e.Text = bytes.Clone(e.Text)
			onItsWay = append(onItsWay, e)
		}
		if diff := archivetest.Difference(onItsWay, archivetest.Oracle(lines[:20], archivetest.Instance("main"), archive.Query{})); diff != "" {
			t.Errorf("a log on its way: %s", diff)
		}
		other := archivetest.NewReplica(t, t.TempDir(), s.Store)
		journal := journal.New(journal.Config{Replica: "replica-1"}, s.Store, other.Spool, slog.New(slog.DiscardHandler), func(error) {})
		if _, err := takeover.New(journal).TakeOver(t.Context(), []string{"replica-0"}, archivetest.EveryPod, archivetest.NoWriter); err != nil {
			t.Fatal(err)
		}
		other.Append("main", lines[20:])
		if err := journal.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, got := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: archivetest.WholeJob})
		if diff := archivetest.Difference(got, archivetest.Oracle(lines, archivetest.Instance("main"), archive.Query{})); diff != "" {
			t.Error(diff)
		}
		if err := other.Seal(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		s.FinishJob()
		<-f.ended
		if diff := archivetest.Difference(f.entries, archivetest.Oracle(lines, archivetest.Instance("main"), archive.Query{})); f.err != nil || diff != "" {
			t.Errorf("follower: %s (%v)", diff, f.err)
		}
	})
}

// TestFollowFromTheEnd: of a log that is there already nothing is given, and what comes has its place in the log.
func TestFollowFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		lines := archivetest.LinesTimedByNumber(1000)
		s.Append("main", lines[:900])
		log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
		if err := log.CloseFrame(); err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(lines[900:910]...); err != nil { // they stay in memory
			t.Fatal(err)
		}
		tail := int64(0)
		f := follow(t.Context(), t, s.Reader, archive.Query{Target: archivetest.WholeJob, Tail: &tail}, func() {})
		synctest.Wait()
		for _, line := range lines[910:] {
			if _, err := log.Append(line); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := s.Seal(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		s.FinishJob()
		<-f.ended
		want := archivetest.Oracle(lines, archivetest.Instance("main"), archive.Query{FirstLine: 911})
		if diff := archivetest.Difference(f.entries, want); f.err != nil || diff != "" {
			t.Errorf("%s (%v)", diff, f.err)
		}
	})
}
