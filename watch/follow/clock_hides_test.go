package follow

import (
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestFollowClockSetBackAndForward: the clock is set back behind the time from which a stream was asked for, and
// forward again before anything shows that. What was written meanwhile comes to nobody who asks with that time.
func TestFollowClockSetBackAndForward(t *testing.T) {
	for _, rotated := range []bool{false, true} {
		for _, cut := range []bool{false, true} {
			name := map[bool]string{false: "in one file", true: "rotated"}[rotated] + map[bool]string{false: "", true: ", nobody reads"}[cut]
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.start()
					c := &clocked{bed: b, ahead: 20 * time.Second}
					c.say(20, 10)
					b.k.KillStreams()
					c.say(2, 10)
					c.ahead = 0
					if cut {
						b.k.Down()
					}
					c.say(5, 10)
					if rotated {
						b.c.Rotate()
					}
					c.ahead = 12 * time.Second
					if cut {
						b.k.Up()
						time.Sleep(10 * time.Second)
					}
					c.say(20, 10)
					b.c.Exit(0)
					if !rotated {
						b.complete()
					} else if record := b.proven(time.Hour); record.Verdict != archive.Partial {
						t.Errorf("got verdict %s, want partial", record.Verdict)
					}
				})
			})
		}
	}
}

// TestFollowClockSetBackInALine: the clock is set back inside a line. Who asks with a time from then is served the
// line's start, which is younger, and not its end.
func TestFollowClockSetBackInALine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		c := &clocked{bed: b, ahead: 20 * time.Minute}
		c.say(5, 10)
		b.c.WritePartial(time.Now().Add(c.ahead), "the line begins ")
		c.ahead = 0
		b.c.Write(time.Now(), "and ends")
		c.say(20, 10)
		b.k.KillStreams()
		c.say(20, 10)
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowStrays: what nothing shows to have been hidden is found when the file is read from its start at the end. It
// stands behind lines that were written later, once, and a gap says so.
func TestFollowStrays(t *testing.T) {
	for name, after := range map[string]int{"at the end": 0, "in the middle": 20} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				c := &clocked{bed: b, ahead: 20 * time.Second}
				c.say(20, 10)
				b.k.KillStreams()
				c.say(2, 10)
				c.ahead = 0
				c.say(5, 10)
				c.ahead = 20 * time.Second
				c.say(1+after, 10)
				b.c.Exit(0)
				record, lines := b.end(time.Hour)
				if err := watchtest.Truthful(lines, watchtest.Text(b.c.Lines()), record); err != nil {
					t.Error(err)
				}
				seen := map[string]int{}
				for _, l := range lines {
					seen[l.Text]++
				}
				if len(lines) != c.lines || len(seen) != c.lines {
					t.Errorf("got %d lines, of which %d differ, want %d", len(lines), len(seen), c.lines)
				}
				g := record.Gaps
				if len(g) != 1 || g[0].Reason != archive.GapClock || g[0].AfterLine != 22 || g[0].ThroughLine != int64(c.lines) {
					t.Errorf("got gaps %+v, want one of clock from line 22 to line %d", g, c.lines)
				}
			})
		})
	}
}

// TestFollowGluedLine: the end of a line that took a while is passed over, and the next line that is served stands in
// it, its time as text.
func TestFollowGluedLine(t *testing.T) {
	for name, end := range map[string]string{"with its end": "\n", "without an end": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				c := &clocked{bed: b, ahead: 20 * time.Second}
				c.say(20, 10)
				b.k.KillStreams()
				c.say(15, 10)
				b.c.WritePartial(time.Now().Add(c.ahead), "a line begins ")
				time.Sleep(10 * time.Second)
				b.c.Write(time.Now().Add(-10*time.Second), "and ends")
				b.c.Print(time.Now().Add(-7*time.Second), "another"+end)
				time.Sleep(10 * time.Second)
				b.c.Exit(0)
				b.complete()
			})
		})
	}
}

// TestFollowClockSetBackBeforeACrash: a process that begins with a since which hides what is written asks for the
// file's start at once, and not when the file is gone.
func TestFollowClockSetBackBeforeACrash(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		c := &clocked{bed: b, ahead: time.Hour}
		c.say(5, 10)
		b.k.Down()
		c.ahead = 0
		c.say(5, 10)
		b.crash()
		b.k.Up()
		b.start()
		c.say(20, 10)
		b.c.Rotate()
		c.ahead = time.Hour
		c.say(20, 10)
		b.c.Exit(0)
		b.whole(b.proven(time.Hour))
	})
}

// TestFollowClockSetBackInAHeldLine: a part of a held line was written while the clock was set back. Who asks from then
// is served the line without it.
func TestFollowClockSetBackInAHeldLine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		c := &clocked{bed: b, ahead: 20 * time.Second}
		c.say(5, 10)
		b.c.WritePartial(time.Now().Add(c.ahead), "the line begins, ")
		for _, part := range []string{"goes on, ", "and on, ", "and on "} {
			b.c.WritePartial(time.Now(), part)
			time.Sleep(10 * time.Second)
		}
		b.c.Write(time.Now(), "and ends")
		time.Sleep(5 * time.Second)
		b.c.Exit(0)
		b.complete()
	})
}

// TestFollowClockSetBackInAFilesFirstLine: so it is of the line with which a file begins, whose start was held as a
// part of another one.
func TestFollowClockSetBackInAFilesFirstLine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.c.Print(time.Now(), "line 1\nthe line begins, ")
		time.Sleep(5 * time.Second)
		b.c.Rotate()
		b.c.WritePartial(time.Now().Add(time.Hour), "goes on in the new file, ")
		time.Sleep(5 * time.Second)
		b.c.WritePartial(time.Now(), "and on, with the clock set back, ")
		time.Sleep(20 * time.Second)
		b.c.Write(time.Now(), "and ends")
		time.Sleep(time.Second)
		b.c.Write(time.Now(), "line 3")
		time.Sleep(time.Second)
		b.stop()
		b.start()
		time.Sleep(5 * time.Second)
		b.c.Write(time.Now(), "line 4")
		time.Sleep(5 * time.Second)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		if err := watchtest.Truthful(lines, watchtest.Text(b.c.Lines()), record); err != nil {
			t.Error(err)
		}
		if n := len(lines); n != 4 {
			t.Errorf("got %d lines %v, want 4", n, lines)
		}
	})
}
