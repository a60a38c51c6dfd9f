package follow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// clocked writes a line a second by a node's clock that is ahead.
type clocked struct {
	*bed
	ahead time.Duration
	lines int
}

func (c *clocked) say(count, size int) {
	for range count {
		c.c.Write(time.Now().Add(c.ahead), fmt.Sprintf("line %d %s", c.lines, strings.Repeat("x", size)))
		c.lines++
		time.Sleep(time.Second)
	}
}

// TestFollowClockSetBackUnderAStream: the clock of the node is set back to before the time from which a stream was
// asked for. The kubelet passes over such lines while it follows. Nothing is rotated, and the log is too long to be
// read whole at its end.
func TestFollowClockSetBackUnderAStream(t *testing.T) {
	for _, step := range []time.Duration{5 * time.Second, 30 * time.Second, 10 * time.Minute} {
		t.Run(step.String(), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				c := &clocked{bed: b, ahead: step}
				c.say(600, 10_000)
				b.k.KillStreams()
				c.say(2, 10)
				c.ahead = 0
				c.say(int(2*step/time.Second), 10)
				time.Sleep(time.Minute)
				b.c.Exit(0)
				b.complete()
			})
		})
	}
}

// TestFollowClockSetBackWhileRotated: what lay behind such a time and was rotated away before anybody noticed is a gap.
func TestFollowClockSetBackWhileRotated(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		c := &clocked{bed: b, ahead: 30 * time.Second}
		c.say(20, 10)
		b.k.KillStreams()
		c.say(2, 10)
		c.ahead = 0
		c.say(10, 10)
		b.c.Rotate()
		c.say(60, 10)
		b.c.Exit(0)
		if record := b.proven(time.Hour); record.Verdict != archive.Partial {
			t.Errorf("got verdict %s, want partial", record.Verdict)
		}
	})
}

// TestFollowSilenceThenRotation: a log that was read on from a time is silent for long, and is rotated right before its
// next lines come. Its clock went on meanwhile, so that nothing can be hidden; only one that stood still is doubted.
func TestFollowSilenceThenRotation(t *testing.T) {
	silences := []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 10 * time.Second, time.Hour}
	for _, silence := range silences {
		for _, stands := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, clock stands still: %t", silence, stands), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.start()
					c := &clocked{bed: b}
					c.say(5, 10)
					b.stop()
					b.start() // as after a takeover
					synctest.Wait()
					time.Sleep(silence)
					if stands {
						c.ahead = -silence
					}
					b.c.Rotate()
					c.say(5, 10)
					b.c.Exit(0)
					want := archive.Seamed
					if stands && silence > reach+time.Second { // since may be as far back
						want = archive.Partial
					}
					if record := b.proven(time.Hour); record.Verdict != want {
						t.Errorf("got verdict %s (%s), want %s", record.Verdict, record.Reason, want)
					}
				})
			})
		}
	}
}

// TestFollowClockSetBackByAnything: the clock is set right while the container runs, and once a stream breaks. Each
// line is served until the end, and is held once, in its place.
func TestFollowClockSetBackByAnything(t *testing.T) {
	steps := []time.Duration{
		0, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
		time.Minute, 5 * time.Minute, 9 * time.Minute, 11 * time.Minute, time.Hour,
	}
	for _, step := range steps {
		for _, breaks := range []string{"never", "before the step", "right after the step", "long after the step"} {
			t.Run(fmt.Sprintf("%s, stream breaks %s", step, breaks), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.start()
					c := &clocked{bed: b, ahead: step}
					cut := func(when string) {
						if breaks == when {
							b.k.KillStreams()
						}
					}
					c.say(20, 10)
					cut("before the step")
					c.say(20, 10)
					c.ahead = 0
					c.say(2, 10)
					cut("right after the step")
					c.say(60, 10)
					cut("long after the step")
					c.say(20, 10)
					time.Sleep(time.Minute)
					b.c.Exit(0)
					b.complete()
				})
			})
		}
	}
}
