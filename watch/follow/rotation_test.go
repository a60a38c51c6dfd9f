package follow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFollowSlowAcrossRotations: of two rotations while the stream is held one file is skipped; the gap says where.
func TestFollowSlowAcrossRotations(t *testing.T) {
	inBubble(t, func(b *bed) {
		hold := kubelet.NewHold()
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 150, Hold: hold})
		b.start()
		busy := func() {
			for range 100 {
				b.write(strings.Repeat("x", 1000))
				time.Sleep(20 * time.Millisecond)
			}
		}
		busy()
		time.Sleep(3 * time.Second)
		busy()
		b.c.Rotate()
		busy()
		time.Sleep(kubeletLeast)
		b.c.Rotate()
		busy()
		time.Sleep(3 * time.Second)
		hold.Release()
		synctest.Wait()
		busy()
		time.Sleep(3 * time.Second)
		b.c.Exit(0)
		record := b.proven(time.Hour)
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapRotated || g[0].AfterLine != 200 {
			t.Errorf("got gaps %+v, want one of rotated after line 200", g)
		}
	})
}

// TestFollowSkippedInSilence: a rotation while the follow catches up leaves it silent until the next one, and then a
// whole file is skipped though no line comes late.
func TestFollowSkippedInSilence(t *testing.T) {
	inBubble(t, func(b *bed) {
		hold := kubelet.NewHold()
		b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 1, Hold: hold})
		b.write("a", "b")
		b.start()
		<-hold.Reached()
		b.c.Rotate()
		hold.Release()
		time.Sleep(time.Second)
		b.write("skipped", "skipped too")
		time.Sleep(kubeletLeast)
		b.c.Rotate()
		b.write("c")
		time.Sleep(time.Second)
		b.c.Exit(0)
		record := b.proven(time.Hour)
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapRotated || g[0].AfterLine != 2 {
			t.Errorf("got gaps %+v, want one of rotated after line 2", g)
		}
	})
}

// TestFollowRotationsAreNoGaps: a log that is rotated now and then, at any speed, has no gap.
func TestFollowRotationsAreNoGaps(t *testing.T) {
	for name, c := range map[string]struct {
		between time.Duration
		length  int
	}{
		"fast":   {50 * time.Millisecond, 1000},
		"slow":   {time.Second, 1000},
		"slower": {7 * time.Second, 1000},
		"longer": {7 * time.Second, 3 * busyBuffer / 2}, // a read may bring no end of a line
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				begin := time.Now()
				for rotated := begin; time.Since(begin) < 2*time.Minute; {
					if time.Since(rotated) > kubeletLeast {
						b.c.Rotate()
						rotated = time.Now()
					}
					b.write(slices.Repeat([]string{strings.Repeat("x", c.length)}, int(2+c.between/(50*time.Millisecond)))...)
					b.write("right behind")
					time.Sleep(c.between)
				}
				b.c.Exit(0)
				b.complete()
			})
		})
	}
}

// TestFaultRotatedFasterThanLooks: files that come and go between two looks, as no kubelet's own rotation has them, are
// never seen. What a slow stream may have skipped of them is a gap all the same, proven or not.
func TestFaultRotatedFasterThanLooks(t *testing.T) {
	for _, every := range []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 1200 * time.Millisecond, 1400 * time.Millisecond,
	} {
		for _, floods := range []time.Duration{5 * time.Second, 30 * time.Second} {
			t.Run(fmt.Sprintf("each %s for %s", every, floods), func(t *testing.T) {
				inBubble(t, func(b *bed) {
					b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, AfterLines: 1, BytesPerSecond: 100 << 10})
					b.start()
					b.floodAndRotate(floods, every)
					b.c.Exit(0)
					record := b.proven(time.Hour)
					if len(b.c.Unserved()) == 0 {
						t.Error("nothing was skipped")
					}
					if record.Verdict != archive.Partial {
						t.Errorf("got verdict %s, want partial", record.Verdict)
					}
				})
			})
		}
	}
}

// TestFaultRotatedAtRandom floods at random speeds and rotates at random, but steady, paces, those of kubelets among
// them.
func TestFaultRotatedAtRandom(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			every := time.Duration(50+random.IntN(4000)) * time.Millisecond
			floods := time.Duration(3+random.IntN(30)) * time.Second
			speed := int64(20+random.IntN(400)) << 10
			inBubble(t, func(b *bed) {
				b.c.Inject(&kubelet.Fault{On: kubelet.OnFollow, AfterLines: 1 + random.IntN(300), BytesPerSecond: speed, Optional: true})
				b.start()
				time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
				b.floodAndRotate(floods, every)
				b.c.Exit(0)
				b.proven(time.Hour)
			})
			if t.Failed() {
				t.Logf("each %s for %s at %d bytes a second", every, floods, speed)
			}
		})
	}
}

// TestFollowKubeletsLeastPace: the fastest that a kubelet rotates by itself proves nothing against a log that was read
// whole.
func TestFollowKubeletsLeastPace(t *testing.T) {
	for _, every := range []time.Duration{kubeletLeast, kubeletLeast + 100*time.Millisecond, 4 * time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.floodAndRotate(2*time.Minute, every)
				b.c.Exit(0)
				record := b.proven(time.Hour)
				b.whole(record)
				if got, want := record.Seams, int64(len(b.c.Files())-1); got != want {
					t.Errorf("got %d seams, want %d", got, want)
				}
			})
		})
	}
}

// floodAndRotate writes 200 KB a second for a while and rotates at a steady pace.
func (b *bed) floodAndRotate(long, every time.Duration) {
	begin := time.Now()
	for rotated := begin; time.Since(begin) < long; time.Sleep(10 * time.Millisecond) {
		if time.Since(rotated) >= every {
			b.c.Rotate()
			rotated = time.Now()
		}
		b.write(strings.Repeat("x", 1000), strings.Repeat("y", 1000))
	}
}
