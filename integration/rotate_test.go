//go:build integration

package integration

import (
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/follow"
)

func impatient(f *follow.Config) { f.StallAfter = time.Second }

// TestFaultRotation has a rotation that the follower sees: nothing is in doubt.
func TestFaultRotation(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	for n := range 5 {
		write(c, 10*n, 10*n+10)
		r.followed(c)
		c.Rotate()
	}
	write(c, 50, 60)
	r.followed(c)
	c.Exit(0)
	r.complete(p, c)
}

// TestFaultRotationInCatchUp has a rotation before the follower's first end of file: it never hears of the new file.
func TestFaultRotationInCatchUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, setting{follow: impatient})
	p, c := r.running()
	write(c, 0, 10)
	hold := kubelet.NewHold()
	c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 5, Hold: hold})
	r.start()
	<-hold.Reached()
	c.Rotate()
	hold.Release()
	write(c, 10, 20)
	r.await("the new file", func() bool { return len(c.Unserved()) == 0 })
	c.Exit(0)
	record := r.partial(p, c, archive.GapRotated)
	if got, want := record.Log.Lines, int64(20); got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
}

// TestFaultRotationWithExit: the file is rotated right before the exit. The follow ends without the last lines.
func TestFaultRotationWithExit(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	hold := kubelet.NewHold()
	r.node.KillStreams()
	c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 5, Hold: hold})
	r.followed(c)
	write(c, 0, 10)
	<-hold.Reached()
	c.Rotate()
	write(c, 10, 20)
	c.Exit(0)
	hold.Release()
	record := r.partial(p, c, archive.GapRotated)
	if got, want := record.Log.Lines, int64(20); got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
}

// TestFaultRotatedWhileDown: the file is rotated twice while the node cannot be reached.
func TestFaultRotatedWhileDown(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	r.followed(c)
	r.node.Down()
	c.Rotate()
	write(c, 10, 20)
	c.Rotate()
	write(c, 20, 30)
	r.node.Up()
	r.followed(c)
	c.Exit(0)
	record := r.partial(p, c, archive.GapRotated)
	want := archive.Gap{AfterLine: 10, From: at(9 * time.Millisecond).UnixNano(), To: at(20 * time.Millisecond).UnixNano(), Reason: archive.GapRotated}
	if got := record.Gaps[0]; got.AfterLine != want.AfterLine || got.From != want.From || got.To != want.To {
		t.Errorf("got gap %+v, want %+v", got, want)
	}
}
