package archive_test

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
)

// follower reads an answer until it ends.
type follower struct {
	entries []archive.Entry
	err     error
	ended   chan struct{}
}

// follow starts one; pause is what it does after each line.
func follow(ctx context.Context, t *testing.T, r *archive.Reader, q archive.Query, pause func()) *follower {
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

func (s *shelf) finishJob() {
	s.t.Helper()
	if _, err := s.sealer.Job(s.t.Context(), archive.PodRef{Namespace: pod.Namespace, Job: pod.Job, JobUID: pod.JobUID}, &archive.JobDocument{
		Namespace: pod.Namespace, Job: archive.JobSummary{Name: pod.Job, UID: pod.JobUID},
	}); err != nil {
		s.t.Fatal(err)
	}
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
	s := newShelf(t)
	defer s.spool.Still()
	lines := randomLog(r)
	if len(lines) == 0 {
		return
	}
	q := randomQuery(r, wholeJob, instance("main"), lines)
	q.Tail, q.LimitBytes = nil, 0
	first := min(len(lines), r.IntN(100))
	s.split(r, lines[:first])
	if first == 0 {
		openLog(t, s.spool, instance("main"))
		if err := s.journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	slow := time.Duration(r.IntN(3)) * time.Second
	live := follow(t.Context(), t, s.reader, q, func() { time.Sleep(slow) })
	remote := follow(t.Context(), t, s.remote(), q, func() {})
	s.grow(r, lines[first:])
	if err := s.seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Second)
	s.finishJob()
	want := oracle(lines, instance("main"), q)
	for name, f := range map[string]*follower{"live": live, "remote": remote} {
		<-f.ended
		if diff := different(f.entries, want); f.err != nil || diff != "" {
			t.Errorf("%s follower, %d lines (%d before it began), %s: %s (err %v)", name, len(lines), first, describe(q), diff, f.err)
		}
	}
}

// grow appends lines as a container does that writes now and then.
func (s *shelf) grow(r *rand.Rand, lines []archive.Line) {
	s.t.Helper()
	log, journal := openLog(s.t, s.spool, instance("main")), s.journal()
	for len(lines) > 0 {
		n := min(len(lines), 1+r.IntN(20))
		_, err := log.Append(lines[:n]...)
		lines = lines[n:]
		switch r.IntN(6) {
		case 0:
			err = errors.Join(err, log.Flush())
		case 1:
			err = errors.Join(err, log.CloseFrame())
		case 2:
			err = errors.Join(err, journal.Flush(s.t.Context()))
		case 3, 4:
			time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestFollowGivesLinesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.spool.Still()
		log := openLog(t, s.spool, instance("main"))
		ctx, stop := context.WithCancel(t.Context())
		f := follow(ctx, t, s.reader, archive.Query{Target: wholeJob}, func() {})
		for n, line := range numbered(10) {
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
		s := newShelf(t)
		defer s.spool.Still()
		began := time.Now()
		log := openLog(t, s.spool, instance("main"))
		write := func(text string, at time.Time) {
			t.Helper()
			if _, err := log.Append(archive.Line{Time: at.UnixNano(), Text: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		write("first", began)
		if err := s.journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		until := began.Add(time.Minute)
		f := follow(t.Context(), t, s.reader, archive.Query{Target: wholeJob, Until: until}, func() {})
		elsewhere := follow(t.Context(), t, s.remote(), archive.Query{Target: wholeJob, Until: until}, func() {})
		past := follow(t.Context(), t, s.reader, archive.Query{Target: wholeJob, Until: began.Add(-time.Hour)}, func() {})
		if <-past.ended; past.err != nil || len(past.entries) > 0 || time.Since(began) != 0 {
			t.Errorf("until a time that is long past: %d lines, %v after %v, want the end at once", len(past.entries), past.err, time.Since(began))
		}
		time.Sleep(time.Minute + 3*time.Second)
		write("late", until.Add(-time.Nanosecond))
		write("too late", until)
		if err := s.journal().Flush(t.Context()); err != nil {
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

// TestReadAcrossARelease: a log that goes to another replica between the look for it and the reading is read from the journal that it is
// in, by a follower too.
func TestReadAcrossARelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.spool.Still()
		lines := numbered(30)
		s.append("main", lines[:20])
		a, err := s.reader.Read(t.Context(), archive.Query{Target: wholeJob})
		if err != nil {
			t.Fatal(err)
		}
		f := follow(t.Context(), t, s.reader, archive.Query{Target: wholeJob}, func() {})
		synctest.Wait()
		if err := s.journal().Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.spool.Release(pod.PodUID); err != nil {
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
		if diff := different(onItsWay, oracle(lines[:20], instance("main"), archive.Query{})); diff != "" {
			t.Errorf("a log on its way: %s", diff)
		}
		other := newReplica(t, t.TempDir(), s.store)
		journal := archive.NewJournal(archive.JournalConfig{Replica: "replica-1"}, s.store, other.spool, slog.New(slog.DiscardHandler), func(error) {})
		if _, err := archive.NewTaker(journal).TakeOver(t.Context(), []string{"replica-0"}, all, still); err != nil {
			t.Fatal(err)
		}
		other.append("main", lines[20:])
		if err := journal.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, got := read(t, s.reader, archive.Query{Target: wholeJob})
		if diff := different(got, oracle(lines, instance("main"), archive.Query{})); diff != "" {
			t.Error(diff)
		}
		if err := other.seal(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		s.finishJob()
		<-f.ended
		if diff := different(f.entries, oracle(lines, instance("main"), archive.Query{})); f.err != nil || diff != "" {
			t.Errorf("follower: %s (%v)", diff, f.err)
		}
	})
}

// TestFollowFromTheEnd: of a log that is there already nothing is given, and what comes has its place in the log.
func TestFollowFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.spool.Still()
		lines := numbered(1000)
		s.append("main", lines[:900])
		log := openLog(t, s.spool, instance("main"))
		if err := log.CloseFrame(); err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(lines[900:910]...); err != nil { // they stay in memory
			t.Fatal(err)
		}
		tail := int64(0)
		f := follow(t.Context(), t, s.reader, archive.Query{Target: wholeJob, Tail: &tail}, func() {})
		synctest.Wait()
		for _, line := range lines[910:] {
			if _, err := log.Append(line); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := s.seal(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
		s.finishJob()
		<-f.ended
		want := oracle(lines, instance("main"), archive.Query{FirstLine: 911})
		if diff := different(f.entries, want); f.err != nil || diff != "" {
			t.Errorf("%s (%v)", diff, f.err)
		}
	})
}
