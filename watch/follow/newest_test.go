package follow

import (
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFollowRotatedUnseen: a log that is rotated where nobody looks, for it is quiet, or right before its end, or
// before the first look of a later life, is not called complete.
func TestFollowRotatedUnseen(t *testing.T) {
	pairs := func(b *bed, n int) {
		for range n {
			b.write("a line", "another one")
			time.Sleep(500 * time.Millisecond) // no time for another rotation
		}
	}
	turn := func(b *bed) { b.c.Rotate(); pairs(b, 2) }
	for name, test := range map[string]struct {
		do    func(b *bed)
		seams int64
	}{
		"never":                  {func(b *bed) { pairs(b, 10) }, 0},
		"never, and resumed":     {func(b *bed) { pairs(b, 10); b.stop(); b.start(); pairs(b, 10) }, 0},
		"never, and of one line": {func(b *bed) { b.write("a line") }, 0},
		"never, and empty":       {func(*bed) {}, 0},
		"once":                   {func(b *bed) { pairs(b, 10); turn(b) }, 1},
		"right before the end":   {func(b *bed) { pairs(b, 10); b.c.Rotate(); b.write("the last line") }, 1},
		"before a resumption":    {func(b *bed) { pairs(b, 10); turn(b); b.stop(); b.start(); pairs(b, 10) }, 1},
		"after a resumption":     {func(b *bed) { pairs(b, 10); b.stop(); b.start(); pairs(b, 2); turn(b) }, 1},
		"before a look of a later life": {func(b *bed) {
			pairs(b, 10)
			b.stop()
			b.start()
			pairs(b, 2)
			turn(b)
			b.busy(1000)
		}, 1},
		"after a look that saw another": {func(b *bed) {
			b.busy(1000)
			time.Sleep(5 * time.Second)
			b.c.Rotate()
			b.busy(1000)
			time.Sleep(5 * time.Second)
			turn(b)
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				test.do(b)
				b.c.Exit(0)
				record, _ := b.end(time.Hour)
				if len(b.c.Lines()) > 0 {
					b.whole(record)
				}
				if record.Seams != test.seams {
					t.Errorf("got %d seams, want %d", record.Seams, test.seams)
				}
			})
		})
	}
}

// TestFollowLastFileCannotBeLookedAt: where nobody can say with which record the last file begins, that is asked again,
// and not guessed.
func TestFollowLastFileCannotBeLookedAt(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.c.Inject(&kubelet.Fault{On: func(r kubelet.Request) bool { return r.Limit != nil && b.c.Ended() }, Times: 2, Status: 500})
		b.start()
		for range 10 {
			b.write("a line")
			time.Sleep(500 * time.Millisecond)
		}
		b.c.Rotate()
		b.write("the last line")
		b.c.Exit(0)
		b.complete()
	})
}
