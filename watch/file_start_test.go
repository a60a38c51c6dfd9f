package watch

import (
	"testing"
	"testing/synctest"
	"time"
)

// truthful waits for the seal and holds the archived text against what was written, byte by byte.
func (b *bed) truthful() {
	b.t.Helper()
	record, lines := b.end(time.Hour)
	if err := truthful(lines, text(b.c.Lines()), record); err != nil {
		b.t.Error(err)
	}
}

// TestFollowLineOfOldBeginning: a file begins with the end of a line that had begun long before, and others stand before it.
func TestFollowLineOfOldBeginning(t *testing.T) {
	for name, resume := range map[string]func(*bed){
		"cut": func(b *bed) { b.k.KillStreams() }, "crash": func(b *bed) { b.crash(); b.start() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.c.Print(time.Now(), "line 1\nline 2 begins ")
				time.Sleep(20 * time.Second)
				b.c.WriteStderr(time.Now(), "aside")
				b.c.Rotate()
				time.Sleep(3 * time.Second)
				b.c.WriteStderr(time.Now(), "short")
				b.c.WriteStderr(time.Now().Add(time.Millisecond), "line 3")
				synctest.Wait()
				time.Sleep(2 * time.Second)
				resume(b)
				time.Sleep(10 * time.Second)
				b.c.Print(time.Now(), "line 4\n")
				b.c.Exit(0)
				b.truthful()
			})
		})
	}
}

// TestFollowBlockAtAFilesStart: a file begins with the end of a line, too short to be known by its text, and the lines behind it are of the
// same block, and so of the same time. The clock had been ahead before.
func TestFollowBlockAtAFilesStart(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.c.Print(time.Now().Add(40*time.Minute), "line 1\nline 2 begins")
		time.Sleep(10 * time.Second)
		b.c.Rotate()
		time.Sleep(time.Second)
		b.c.Print(time.Now(), ", ends\nline 3\nline 4\n")
		time.Sleep(3 * time.Second)
		b.k.KillStreams()
		time.Sleep(3 * time.Second)
		b.c.Exit(0)
		b.truthful()
	})
}
