//go:build integration && faults

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFaultRotationWhileSlow has two rotations while the reader is held, so that a whole file goes by unread. Between them lies
// no time, as no kubelet rotates: whether the gap is found depends on whether the stream is found to hang before it is let
// go. So this is run by hand, until the looks prove something of such a pair.
func TestFaultRotationWhileSlow(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
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
	first := r.node.Counters().Limit
	r.await("a look at the first file", func() bool { return r.node.Counters().Limit > first })
	c.Rotate()
	busy(200, 300)
	c.Rotate()
	busy(300, 400)
	hold.Release()
	r.await("the last file", func() bool { return strings.HasPrefix(string(c.Served()[len(c.Served())-1].Text), "line 399") })
	looks := r.node.Counters().Limit
	busy(400, 500)
	r.await("a look at the last file", func() bool { return r.node.Counters().Limit > looks })
	c.Exit(0)
	record := r.partial(p, c, archive.GapRotated)
	if g := record.Gaps; len(g) == 1 && (g[0].From != at(19900*time.Millisecond).UnixNano() || g[0].To != at(30*time.Second).UnixNano()) {
		t.Errorf("got bounds %s to %s, want those of lines 199 and 300", timeOf(g[0].From), timeOf(g[0].To))
	}
}
