package follow

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFaultHeldAcrossTwoRotations: a stream that stands still while the log is rotated twice skips a file, whatever the
// time between the rotations, whether it had reached an end of the log before, and whether it lives on or breaks before
// the kubelet's reader shows that it fell behind.
func TestFaultHeldAcrossTwoRotations(t *testing.T) {
	for _, between := range []time.Duration{0, time.Second, kubeletLeast, 5 * time.Second, 8 * time.Second, 12 * time.Second} {
		for _, breaks := range []bool{false, true} {
			if breaks && between < kubeletLeast {
				continue // nothing proves such a pair, as no kubelet has it, once the stream is gone
			}
			for _, before := range []int{0, 100} {
				t.Run(fmt.Sprintf("%s apart, breaks %t, level after %d", between, breaks, before), func(t *testing.T) {
					inBubble(t, func(b *bed) { b.heldTwice(before, between, breaks) })
				})
			}
		}
	}
}

// heldTwice has the stream reach the end of so many lines first.
func (b *bed) heldTwice(before int, between time.Duration, breaks bool) {
	hold := kubelet.NewHold()
	b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: before + 100, Hold: hold, BytesPerSecond: 1 << 20})
	b.start()
	if before > 0 {
		b.busy(before)
		time.Sleep(time.Minute)
	}
	b.busy(200)
	b.c.Rotate()
	b.busy(100)
	time.Sleep(between)
	b.c.Rotate()
	b.busy(100)
	if breaks {
		// What is on its way then still comes: the last of the old file and all of the newest, once.
		breakAfter(b, hold, int64(before)+300)
	} else {
		hold.Release()
	}
	time.Sleep(time.Second)
	b.busy(100)
	b.c.Exit(0)
	record := b.proven(time.Hour)
	g := record.Gaps
	if between < kubeletLeast {
		// A look may fall between such a pair or not, and one that does may doubt all up to it: see pace.
		g = slices.DeleteFunc(slices.Clone(g), func(g archive.Gap) bool { return g.Unproven })
	}
	if len(g) != 1 || g[0].Reason != archive.GapRotated || g[0].AfterLine != int64(before)+200 || g[0].ThroughLine != 0 {
		b.t.Errorf("got gaps %+v, want one of rotated after line %d", record.Gaps, before+200)
	}
}

// breakAfter lets the held stream go on and breaks it once so many lines are held.
func breakAfter(b *bed, hold *kubelet.Hold, lines int64) {
	hold.Release()
	for b.life.log.Summary().Lines < lines {
		time.Sleep(time.Millisecond)
	}
	b.k.KillStreams()
}

// busy writes so many lines of a kilobyte, a millisecond each.
func (b *bed) busy(lines int) {
	for n := range lines {
		b.c.Write(time.Now(), fmt.Sprint(n, strings.Repeat("x", 1000)))
		time.Sleep(time.Millisecond)
	}
	synctest.Wait()
}

// TestFollowQuietRotationsAreNoGaps: a log that is written now and then, in lines or in bursts, and rotated in its
// silences, has no gap, though nobody looks at a file for long before its end.
func TestFollowQuietRotationsAreNoGaps(t *testing.T) {
	tests := []struct {
		name           string
		lines          int
		between, every time.Duration
	}{
		{"a line each 4 s", 1, 4 * time.Second, 2 * time.Minute},
		{"a line each 15 s", 1, 15 * time.Second, 5 * time.Minute},
		{"a line each 2 minutes", 1, 2 * time.Minute, time.Hour},
		{"a burst each 5 s", 200, 5 * time.Second, 10 * time.Second},
		{"a burst each 20 s", 200, 20 * time.Second, 30 * time.Second},
		{"a burst each 20 s, rotated after each", 200, 20 * time.Second, 20 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.busy(100)
				time.Sleep(time.Minute)
				begin := time.Now()
				for rotated := begin; time.Since(begin) < 10*test.every; {
					b.busy(test.lines)
					time.Sleep(test.between * 3 / 4)
					if time.Since(rotated) >= test.every {
						b.c.Rotate()
						rotated = rotated.Add(test.every)
					}
					time.Sleep(test.between / 4)
				}
				b.busy(1)
				b.c.Exit(0)
				b.complete()
				if files := len(b.c.Files()); files < 9 {
					t.Errorf("got %d files, want a log that was rotated", files)
				}
			})
		})
	}
}

// TestFaultRotatedWhileAway: what a file held that went while nobody read may all have been read before. A gap says
// where, and that no line is known to be missing, whether any is or not.
func TestFaultRotatedWhileAway(t *testing.T) {
	for _, unread := range []int{0, 10} {
		t.Run(fmt.Sprint(unread, " lines unread"), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.busy(20)
				b.k.Down()
				b.busy(unread)
				b.c.Rotate()
				b.busy(5)
				b.k.Up()
				time.Sleep(time.Minute)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapRotated || !g[0].Unproven || g[0].AfterLine != 20 {
					t.Errorf("got gaps %+v, want an unproven one of rotated after line 20", g)
				}
			})
		})
	}
}

// TestFaultHungAcrossTwoRotations: where the stream is found to hang, what was left of the first file is lost with it,
// and nothing that the newest file holds.
func TestFaultHungAcrossTwoRotations(t *testing.T) {
	inBubble(t, func(b *bed) {
		hold := kubelet.NewHold()
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 100, Hold: hold})
		b.start()
		b.busy(200)
		b.c.Rotate()
		b.busy(100)
		b.c.Rotate()
		b.busy(100)
		time.Sleep(2 * b.cfg.StallAfter)
		hold.Release()
		b.busy(100)
		b.c.Exit(0)
		record := b.proven(time.Hour)
		if g := record.Gaps; len(g) != 1 || g[0].AfterLine != 100 || record.Log.Lines != 300 {
			t.Errorf("got gaps %+v in %d lines, want one after line 100 of 300", g, record.Log.Lines)
		}
	})
}

// TestFollowLateAndRotatedOnce: a stream whose lines come late by less than the time between two rotations has skipped
// no file, where the log is silent then and rotated behind them.
func TestFollowLateAndRotatedOnce(t *testing.T) {
	for _, late := range []time.Duration{500 * time.Millisecond, 1700 * time.Millisecond} {
		t.Run(fmt.Sprint("late by ", late), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				hold := kubelet.NewHold()
				b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 200, Hold: hold})
				b.start()
				b.busy(100)
				time.Sleep(time.Minute)
				b.busy(200)
				time.Sleep(late)
				hold.Release()
				synctest.Wait()
				b.c.Rotate()
				time.Sleep(5 * time.Second)
				b.busy(200)
				time.Sleep(time.Minute)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				if g := record.Gaps; len(g) != 0 || record.Seams != 1 || record.Log.Lines != 500 {
					t.Errorf("got gaps %+v and %d seams in %d lines, want no gap and 1 seam in 500", g, record.Seams, record.Log.Lines)
				}
			})
		})
	}
}

// TestFollowRotatedBehindTheFirstBurst: a rotation right behind the first lines leaves no doubt, though the stream was
// never seen at the end of their file: the next one was found empty, for longer than the kubelet's reader needs to hear
// of it.
func TestFollowRotatedBehindTheFirstBurst(t *testing.T) {
	for _, between := range []time.Duration{4 * time.Second, time.Minute} {
		t.Run(fmt.Sprint("silent for ", between), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.busy(200)
				b.c.Rotate()
				time.Sleep(between)
				b.busy(200)
				time.Sleep(time.Minute)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				if g := record.Gaps; len(g) != 0 || record.Seams != 1 || record.Log.Lines != 400 {
					t.Errorf("got gaps %+v and %d seams in %d lines, want no gap and 1 seam in 400", g, record.Seams, record.Log.Lines)
				}
			})
		})
	}
}

// TestLevelHides: where a file can have been skipped unseen, by what is known of the stream. Times are in seconds.
func TestLevelHides(t *testing.T) {
	late := func(ranges ...int64) (l level) {
		l = level{base: 0, from: 100}
		for n := 0; n < len(ranges); n += 2 {
			l.came(ranges[n]*int64(time.Second), ranges[n+1]*int64(time.Second))
		}
		return l
	}
	settled := func(l level, first int64) level {
		l.settle(first * int64(time.Second))
		return l
	}
	for _, c := range []struct {
		name          string
		level         level
		before, after int64
		want          bool
	}{
		{"never seen at an end", level{}, 200, 210, true},
		{"the lines lie close together", level{}, 200, 200, false},
		{"before the stream began", level{base: 200}, 199, 210, false},
		{"right behind where the stream began", level{base: 200}, 200, 210, true},
		{"before the first line of all", level{}, 0, 210, false},
		{"at an end before, and nothing late", late(), 200, 210, false},
		{"at an end only after", late(), 99, 210, true},
		{"the line came late", late(190, 205), 200, 210, true},
		{"only later ones came late", late(201, 205), 200, 210, false},
		{"only earlier ones came late", late(190, 199), 200, 210, false},
		{"some came late twice", late(190, 195, 199, 205), 192, 210, true},
		{"some came late out of order", late(190, 205, 180, 185), 200, 210, true},
		{"what was late is settled", settled(late(190, 205), 208), 200, 210, false},
		{"the line is settled, later ones are not", settled(late(190, 205), 202), 200, 210, false},
		{"lines before it are settled", settled(late(190, 205), 195), 200, 210, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.level.base, c.level.from = c.level.base*int64(time.Second), c.level.from*int64(time.Second)
			if got := c.level.hides(c.before*int64(time.Second), c.after*int64(time.Second), false); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
