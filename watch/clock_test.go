package watch

import (
	"fmt"
	"strings"
	"testing"
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
