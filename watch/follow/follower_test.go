package follow

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

func TestFollow(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("a", "b")
		time.Sleep(time.Second)
		b.write("c")
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowRenews: the kubelet cuts a stream at 4 h without a word, so the follower opens it anew before.
func TestFollowRenews(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		for range 24 {
			b.write("one line an hour")
			time.Sleep(time.Hour)
		}
		if got := b.k.Counters().Follow; got < 8 || got > 10 {
			t.Errorf("got %d streams in 24 h, want one every 3 h, less a tenth at most", got)
		}
		b.c.Exit(0)
		b.complete()
	})
}

func TestFollowQuiet(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write(strings.Repeat("a split last line is not equal to its last record. ", 1000))
		time.Sleep(2 * time.Hour)
		if got := testutil.ToFloat64(b.follow.Stalled); got > 1 {
			t.Errorf("got %v stalls of a quiet log, want 1 at most", got)
		}
		if got := b.k.Counters().Tail; got > 20 {
			t.Errorf("a quiet log was asked for %d times in 2 h, want 20 at most", got)
		}
		b.c.Exit(0)
		b.complete()
	})
}

func TestFollowHang(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 1, Hang: true})
		b.start()
		b.write("a", "b")
		time.Sleep(3 * b.cfg.StallAfter)
		if got, want := b.life.log.Summary().Lines, int64(2); got != want {
			t.Errorf("got %d lines after a hang, want %d", got, want)
		}
		if got := testutil.ToFloat64(b.follow.Stalled); got != 1 {
			t.Errorf("got %v stalls, want 1", got)
		}
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowBackoff: a node that answers with errors is asked ever more rarely.
func TestFollowBackoff(t *testing.T) {
	inBubble(t, func(b *bed) {
		fault := b.c.Inject(&kubelet.Fault{Status: 500, Text: "no"})
		b.write("as old as the container: the first line there is")
		b.start()
		time.Sleep(time.Minute)
		if got := fault.Fired(); got < 10 || got > 40 {
			t.Errorf("got %d tries in a minute, want 10 to 40", got)
		}
		b.k.Heal()
		b.write("a")
		time.Sleep(10 * time.Second)
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowGivesUp: an ended log that cannot be read is sealed with a gap that says so, once.
func TestFollowGivesUp(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("a", "b")
		b.c.Inject(&kubelet.Fault{Status: 500, Text: "no"})
		b.c.Exit(0)
		begin := time.Now()
		record := b.proven(2 * time.Hour)
		if got := time.Since(begin); got < b.cfg.GiveUpAfter || got > b.cfg.GiveUpAfter+time.Minute {
			t.Errorf("gave up after %s, want %s", got, b.cfg.GiveUpAfter)
		}
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapUnreachable || !g[0].Unproven || g[0].AfterLine != 2 {
			t.Errorf("got gaps %+v, want one of unreachable after line 2", g)
		}
	})
}

func TestFollowRemoved(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("a", "b")
		b.c.Exit(0)
		b.c.Remove()
		record := b.proven(10 * time.Minute)
		if g := record.Gaps; len(g) != 1 || !g[0].Unproven {
			t.Errorf("got gaps %+v, want one that nothing proves", g)
		}
	})
}

// TestFollowEndIsDistrusted: what comes a moment after the end is in the log.
func TestFollowEndIsDistrusted(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("a")
		b.c.Exit(0)
		time.Sleep(time.Second)
		b.write("flushed late")
		b.complete()
	})
}

// TestFollowLastWords: a line without an end is the log's, be it like the kubelet's own errors.
func TestFollowLastWords(t *testing.T) {
	for _, text := range []string{"last words", "rpc error: code = Unavailable", "failed to open log file of mine"} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.write("a")
				b.c.WritePartial(time.Now(), text)
				b.c.Exit(1)
				b.complete()
			})
		})
	}
}

// TestFollowErrorText: the kubelet's error is no line, wherever it stands.
func TestFollowErrorText(t *testing.T) {
	for name, fault := range map[string]*kubelet.Fault{
		"at the start":  {Text: "unable to retrieve container logs for containerd://0"},
		"after a line":  {AfterLines: 1, Text: "failed to create fsnotify watcher: too many open files"},
		"inside a line": {AfterBytes: 40, Text: "rpc error: code = Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				fault.Times = 20
				b.c.Inject(fault)
				b.write("the first line", "the second line", "the third line")
				b.start()
				time.Sleep(5 * time.Minute)
				b.c.Exit(0)
				b.complete()
			})
		})
	}
}

// TestFollowClockSetBack: lines of a time before since, written while nothing was read, are found at the end.
func TestFollowClockSetBack(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("before")
		b.k.Down()
		for n := range 10 {
			b.c.Write(time.Now().Add(-5*time.Second), strings.Repeat("x", n+1))
			time.Sleep(time.Second)
		}
		b.k.Up()
		time.Sleep(time.Minute)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		if got, want := len(lines), 11; got != want || record.Verdict != archive.Complete {
			t.Errorf("got %d lines and verdict %s, want %d and complete", got, record.Verdict, want)
		}
	})
}

func TestFollowCrash(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("a", "b")
		time.Sleep(2 * time.Second) // flushed
		b.write("c")                // not flushed
		b.crash()
		b.write("d")
		b.start()
		b.write("e")
		time.Sleep(time.Minute)
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowSpoolFull: the stream is closed while the spool is full and goes on where it stopped.
func TestFollowSpoolFull(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.limit, b.held = 3000, 3000
		b.start()
		for range 60 {
			b.write(rand.Text() + rand.Text() + rand.Text() + rand.Text())
			time.Sleep(time.Second)
		}
		if testutil.ToFloat64(b.follow.SpoolFull) == 0 {
			t.Fatal("the spool never was full")
		}
		b.limit = 1 << 20
		b.crash()
		b.start()
		time.Sleep(time.Minute)
		b.c.Exit(0)
		b.complete()
	})
}
