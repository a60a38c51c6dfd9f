package follow

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// truthful waits for the seal and holds the archived text against what was written, byte by byte.
func (b *bed) truthful() {
	b.t.Helper()
	record, lines := b.end(time.Hour)
	if err := watchtest.Truthful(lines, watchtest.Text(b.c.Lines()), record); err != nil {
		b.t.Error(err)
	}
}

// TestFollowLineOfOldBeginning: a file begins with the end of a line that had begun long before, and others stand
// before it.
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

// TestFollowBlockAtAFilesStart: a file begins with the end of a line, too short to be known by its text, and the lines
// behind it are of the same block, and so of the same time. The clock had been ahead before.
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

// TestFollowCutInAHeldLine: an answer hangs inside a line that is held, and its file is rotated meanwhile, so that
// nothing goes on with what it brought.
func TestFollowCutInAHeldLine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		for n := range 10 {
			b.write(fmt.Sprintf("line %d %s", n, strings.Repeat("x", 60)))
		}
		time.Sleep(3 * time.Second)
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterBytes: 250, Hang: true})
		b.k.KillStreams()
		time.Sleep(3 * time.Second)
		b.c.Rotate()
		time.Sleep(2 * time.Minute)
		b.c.Exit(0)
		b.truthful()
	})
}

// TestFollowRotatedInALine: a file begins inside a line of which an answer brought the start, and the next one begins
// with the file.
func TestFollowRotatedInALine(t *testing.T) {
	for name, rest := range map[string]string{"long": "of it is served, and it is long enough to be known ", "short": "of it "} {
		for _, begins := range []int{0, 70_000} {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s rest, %d bytes before, rest comes while nobody reads: %t", name, begins, down), func(t *testing.T) {
					inBubble(t, func(b *bed) {
						b.start()
						b.c.Print(time.Now().Add(47*time.Minute), "line 0\n")
						time.Sleep(5 * time.Second)
						b.c.Print(time.Now(), "line 1\nthe start "+strings.Repeat("#", begins))
						time.Sleep(5 * time.Second)
						b.c.Rotate()
						b.c.Append(kubelet.Record{Time: time.Now(), Output: kubelet.Stderr, Partial: true, Text: []byte("the rest " + rest)})
						synctest.Wait()
						b.k.KillStreams()
						if down {
							b.k.Down()
						}
						time.Sleep(10 * time.Second)
						b.c.Print(time.Now(), "and its end\nline 3\n")
						time.Sleep(5 * time.Second)
						b.k.Up()
						time.Sleep(10 * time.Second)
						b.c.Print(time.Now(), "line 4\n")
						b.c.Exit(0)
						b.truthful()
					})
				})
			}
		}
	}
}

// TestFollowEndsInARotatedLine: such a line has no end, and little of it stands in the new file.
func TestFollowEndsInARotatedLine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.c.Print(time.Now(), "line 1\nthe start "+strings.Repeat("#", 70_000))
		time.Sleep(5 * time.Second)
		b.c.Rotate()
		b.c.Append(kubelet.Record{Time: time.Now(), Output: kubelet.Stderr, Partial: true, Text: []byte("the rest")})
		synctest.Wait()
		time.Sleep(5 * time.Second)
		for range 3 {
			b.k.KillStreams()
			time.Sleep(5 * time.Second)
		}
		b.c.Exit(0)
		b.truthful()
	})
}

// TestFollowFirstLineCut: all that was served of a log is a part of its first line, and the file is rotated then.
func TestFollowFirstLineCut(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.c.Inject(&kubelet.Fault{AfterBytes: 100, Cut: true, Times: 3})
		b.start()
		time.Sleep(time.Second)
		b.c.Print(time.Now(), strings.Repeat("word ", 100))
		time.Sleep(6 * time.Second)
		b.c.Rotate()
		b.c.Exit(0)
		b.truthful()
	})
}
