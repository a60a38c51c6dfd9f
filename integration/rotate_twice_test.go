//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/follow"
)

// TestFaultRotationWhileSlow: the file is rotated twice while the reader is held, so that a whole file goes by unread.
// Between them lies no time, as no kubelet rotates: that the kubelet's reader begins the newest file twice is what
// shows it.
func TestFaultRotationWhileSlow(t *testing.T) {
	t.Parallel()
	// A check for a hang would cut the held stream, and lose the rest of the first file too.
	r, p, c := started(t, setting{follow: func(f *follow.Config) { f.StallAfter = time.Hour }})
	hold := kubelet.NewHold()
	r.node.KillStreams()
	c.Inject(&kubelet.Fault{On: kubelet.OnFollow, Times: 1, AfterLines: 100, Hold: hold})
	busy := func(from, to int) {
		for n := from; n < to; n++ {
			c.Write(at(time.Duration(n)*100*time.Millisecond), fmt.Sprintf("line %d %s", n, strings.Repeat("x", 1000)))
		}
	}
	r.followed(c)
	busy(0, 200)
	<-hold.Reached()
	c.Rotate()
	busy(200, 300)
	c.Rotate()
	busy(300, 400)
	hold.Release()
	r.followed(c)
	busy(400, 500)
	c.Exit(0)
	record := r.partial(p, c, archive.GapRotated)
	if g := record.Gaps; len(g) == 1 && (g[0].From != at(19900*time.Millisecond).UnixNano() || g[0].To != at(30*time.Second).UnixNano()) {
		t.Errorf("got bounds %s to %s, want those of lines 199 and 300", timeOf(g[0].From), timeOf(g[0].To))
	}
}
