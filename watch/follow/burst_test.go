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

// looksAtSizes has the kubelet look at the size of the log at its usual pace, and rotate it above the limit, until the
// container ends: wait for that.
func (b *bed) looksAtSizes(limit int) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for time.Sleep(watchtest.UsualPace / 3); !b.c.Ended(); time.Sleep(watchtest.UsualPace) {
			size := 0
			files := b.c.Files()
			for _, r := range files[len(files)-1] {
				size += len(r.Text) + 45
			}
			if size >= limit {
				b.c.Rotate()
			}
		}
	}()
	return func() { <-done }
}

// burstOf writes so many lines within a second.
func (b *bed) burstOf(burst, lines int) {
	for n := range lines {
		b.c.Write(time.Now(), fmt.Sprintf("burst %d line %d %s", burst, n, strings.Repeat("x", n%90)))
		if n%(lines/100) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestFollowBurstsAreNoGaps: a log that is written in large bursts, which a busy node serves at its own pace, and
// rotated at the kubelet's usual one, is whole.
func TestFollowBurstsAreNoGaps(t *testing.T) {
	for _, speed := range []int64{0, 3 << 20, 1 << 20} {
		t.Run(fmt.Sprint("served at ", speed, " bytes a second"), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				if speed > 0 {
					b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, AfterLines: 1, BytesPerSecond: speed})
				}
				b.start()
				wait := b.looksAtSizes(1 << 20)
				defer wait()
				for burst := range 5 {
					b.burstOf(burst, 20_000)
					time.Sleep(3 * time.Second)
				}
				b.c.Exit(0)
				if len(b.c.Unserved()) > 0 {
					t.Fatal("the kubelet skipped a file")
				}
				b.complete()
			})
		})
	}
}

// TestFollowSilentAfterABurst: a log that falls silent above the limit is rotated once more before its end, so that its
// newest file is empty. The stream stood at the end of the file before.
func TestFollowSilentAfterABurst(t *testing.T) {
	for _, bursts := range []int{1, 3} {
		t.Run(fmt.Sprint(bursts, " bursts"), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				wait := b.looksAtSizes(1 << 20)
				defer wait()
				for burst := range bursts {
					b.burstOf(burst, 25_000)
					time.Sleep(30 * time.Second)
				}
				synctest.Wait()
				if files := b.c.Files(); len(files[len(files)-1]) > 0 {
					t.Error("the newest file is not empty")
				}
				b.c.Exit(0)
				b.complete()
			})
		})
	}
}

// TestFollowRotatedRightAfterABurst: the kubelet looks at the sizes whenever it will, now and then right after a burst
// that is the log's last.
func TestFollowRotatedRightAfterABurst(t *testing.T) {
	for _, soon := range []time.Duration{600 * time.Millisecond, time.Second, 2 * time.Second} {
		t.Run(soon.String(), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.burstOf(0, 25_000)
				time.Sleep(soon)
				b.c.Rotate()
				time.Sleep(20 * time.Second)
				b.c.Exit(0)
				b.complete() // but for one seam
			})
		})
	}
}

// TestFollowSilentAndReportedLate: the container's end is reported after its stream has ended, and another one was
// opened, of the newest file, which is empty.
func TestFollowSilentAndReportedLate(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.looker = &slowNews{looker{b}, 3 * time.Second, 0}
		b.start()
		b.burstOf(0, 25_000)
		time.Sleep(5 * time.Second)
		b.c.Rotate()
		time.Sleep(5 * time.Second)
		b.c.Exit(0)
		b.complete() // but for one seam
	})
}

// TestFollowLastWordsThenRotation: what a log ends with has no newline, and is in a file that was rotated before the
// end could be read again.
func TestFollowLastWordsThenRotation(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.burstOf(0, 25_000)
		time.Sleep(5 * time.Second)
		b.c.WritePartial(time.Now(), "no end")
		time.Sleep(time.Second)
		b.c.Rotate()
		time.Sleep(time.Second)
		b.c.Exit(0)
		record, lines := b.end(time.Hour)
		b.sameText(record, lines)
	})
}
