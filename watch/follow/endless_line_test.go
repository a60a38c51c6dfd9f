package follow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// bar writes steps of a progress bar, 50 KB a second, for so long. Nothing of it ends a line.
type bar struct {
	*bed
	steps int
}

func (w *bar) run(long time.Duration) {
	for begin := time.Now(); time.Since(begin) < long; time.Sleep(10 * time.Millisecond) {
		var block strings.Builder
		for range 5 {
			fmt.Fprintf(&block, "\rstep %d %s", w.steps, strings.Repeat("#", w.steps%90))
			w.steps++
		}
		w.c.Print(time.Now(), block.String())
	}
}

// TestFollowEndlessLine: text without a newline that is rotated while it is read is held once, whoever breaks the
// stream and when.
func TestFollowEndlessLine(t *testing.T) {
	tests := map[string]func(w *bar){
		"undisturbed":                         func(*bar) {},
		"cut":                                 func(w *bar) { w.k.KillStreams() },
		"cut a while after a rotation":        func(w *bar) { w.c.Rotate(); w.run(3 * time.Second); w.k.KillStreams() },
		"crash":                               func(w *bar) { w.crash(); w.bed.start() },
		"crash a while after a rotation":      func(w *bar) { w.c.Rotate(); w.run(5 * time.Second); w.crash(); w.bed.start() },
		"a newline, and cut after a rotation": func(w *bar) { w.c.Print(time.Now(), "\n"); w.c.Rotate(); w.run(time.Second); w.k.KillStreams() },
	}
	for name, disturb := range tests {
		for _, ends := range []string{"", "\n", "\nlast\n"} {
			t.Run(fmt.Sprintf("%s, ends with %q", name, ends), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.start()
					w := &bar{bed: b}
					for range 3 {
						w.run(7 * time.Second)
						b.c.Rotate()
					}
					w.run(4 * time.Second)
					disturb(w)
					w.run(6 * time.Second)
					b.c.Rotate()
					w.run(3 * time.Second)
					b.c.Print(time.Now(), ends)
					synctest.Wait()
					time.Sleep(time.Second)
					b.c.Exit(0)
					b.sameText(b.end(time.Hour))
				})
			})
		}
	}
}

// TestFollowEndlessLineInDoubt: where the stream breaks right at the rotation nothing of the new file vouches for what
// lies between. What was served of the old one is held all the same.
func TestFollowEndlessLineInDoubt(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		w := &bar{bed: b}
		w.run(7 * time.Second)
		b.c.Rotate()
		w.run(20 * time.Millisecond)
		b.k.KillStreams()
		w.run(5 * time.Second)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		if got, want := watchtest.Text(lines), watchtest.Text(b.c.Lines()); got != want {
			t.Errorf("got %d bytes, want %d, and the same", len(got), len(want))
		}
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapRotated || !g[0].Unproven {
			t.Errorf("got gaps %+v, want an unproven one of rotated", g)
		}
	})
}

// TestFollowEndlessLineLost: of such a text a part is missing where a file came and went unread, and a gap says so.
func TestFollowEndlessLineLost(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		w := &bar{bed: b}
		w.run(7 * time.Second)
		b.k.Down()
		w.run(7 * time.Second)
		b.c.Rotate()
		w.run(3 * time.Second)
		b.k.Up()
		w.run(3 * time.Second)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		if got, want := watchtest.Text(lines), watchtest.Text(b.c.Lines()); len(got) >= len(want) || !strings.HasSuffix(got, want[len(want)-150_000:]) {
			t.Errorf("got %d bytes, want fewer than %d, and the newest file's at the end", len(got), len(want))
		}
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapRotated || !g[0].Unproven {
			t.Errorf("got gaps %+v, want an unproven one of rotated", g)
		}
	})
}

// TestFollowEndlessLineIsSeen: what reads a log beside the follower sees such a line grow.
func TestFollowEndlessLineIsSeen(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		w := &bar{bed: b}
		for range 10 {
			w.run(2 * time.Second)
			synctest.Wait()
			if held, written := b.life.log.Summary().Bytes, int64(len(watchtest.Text(b.c.Lines()))); written-held > 2*pieceBytes {
				t.Errorf("%d bytes are held of %d, want no more than %d fewer", held, written, 2*pieceBytes)
			}
		}
		b.c.Exit(0)
		b.sameText(b.end(time.Hour))
	})
}

// TestFollowSlowLineIsSeen: a line that takes long is seen as it grows, record by record, long before there is a whole
// piece of it. The first record waits for the second one, for the line may have its end there. It is one line of text
// in the end, whatever broke its stream; and one that is written in one go stays one piece.
func TestFollowSlowLineIsSeen(t *testing.T) {
	const record = 16 << 10 // as containerd serves text without a newline
	for name, disturb := range map[string]func(b *bed){
		"undisturbed": func(*bed) {},
		"cut":         func(b *bed) { b.k.KillStreams() },
		"crash":       func(b *bed) { b.crash(); b.start() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.c.Print(time.Now(), strings.Repeat("y", 3*record)+"\n")
				for n := range 6 {
					b.c.Print(time.Now(), strings.Repeat(fmt.Sprintf("%d%%\r", n), record)[:record])
					time.Sleep(2 * growEvery)
					if n == 3 {
						disturb(b)
						time.Sleep(10 * time.Second)
					}
					if held, written := b.life.log.Summary().Bytes, int64(len(watchtest.Text(b.c.Lines()))); written-held > record || n == 2 && held != written {
						t.Errorf("%d bytes are held of %d after record %d, want all but the first record", held, written, n+1)
					}
				}
				b.c.Print(time.Now(), "done\nnext\n")
				time.Sleep(time.Second)
				b.c.Exit(0)
				record, lines := b.end(time.Hour)
				b.sameText(record, lines)
				if len(lines) > 9 || lines[0].Partial {
					t.Errorf("got %d lines, the first partial: %t; want the first in one piece, and a piece a record of the slow one", len(lines), lines[0].Partial)
				}
			})
		})
	}
}
