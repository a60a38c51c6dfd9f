package watch

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestSilentLogChangesHands: who reads a log on after another one who saw that it had no line yet knows its start.
func TestSilentLogChangesHands(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *doubt, old *hand) // after which another one reads
		before int                       // lines before that
		late   bool                      // the start is in doubt
	}{
		"another one joins": {change: func(d *doubt, _ *hand) { d.start("b", filepath.Join(d.t.TempDir(), "b")) }},
		"it ends":           {change: func(d *doubt, old *hand) { d.leave(old); d.start("c", filepath.Join(d.t.TempDir(), "c")) }},
		"it ends and comes back with its disk": {change: func(d *doubt, old *hand) {
			d.leave(old)
			d.start("a", old.dir)
		}},
		"two changes": {change: func(d *doubt, old *hand) {
			d.start("b", filepath.Join(d.t.TempDir(), "b"))
			watchtest.Pass(time.Minute)
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
			watchtest.Pass(time.Minute)
			d.leave(old)
		}},
		"it wrote before": {before: 3, change: func(d *doubt, _ *hand) { d.start("b", filepath.Join(d.t.TempDir(), "b")) }},
		"it ends, and a line comes before anybody reads": {change: func(d *doubt, old *hand) {
			d.leave(old)
			d.write(1)
			watchtest.Pass(time.Minute)
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"it came late itself": {late: true, change: func(d *doubt, old *hand) {
			d.kill(old)
			old = d.start("b", filepath.Join(d.t.TempDir(), "b"))
			watchtest.Pass(time.Minute)
			d.leave(old)
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"its stream is dead": {late: true, change: func(d *doubt, old *hand) {
			d.log.Inject(&kubelet.Fault{On: kubelet.OnFollow, Hang: true})
			d.k.KillStreams()
			watchtest.Pass(time.Second)
			d.unserved()
			d.write(1)
			d.leave(old)
			d.k.Heal()
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"it has no stream": {late: true, change: func(d *doubt, old *hand) {
			d.log.Inject(&kubelet.Fault{On: kubelet.OnFollow, Status: 500})
			d.k.KillStreams()
			watchtest.Pass(time.Second)
			d.unserved()
			d.leave(old)
			d.k.Heal()
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"it dies": {late: true, change: func(d *doubt, old *hand) {
			d.kill(old)
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"it ends, and nobody reads for long": {late: true, change: func(d *doubt, old *hand) {
			d.leave(old)
			watchtest.Pass(time.Minute)
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
		"the node does not answer at the end": {late: true, change: func(d *doubt, old *hand) {
			d.k.Inject(&kubelet.Fault{On: kubelet.OnRead, Hang: true})
			d.leave(old)
			d.k.Heal()
			d.start("c", filepath.Join(d.t.TempDir(), "c"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crew := newCrew(t)
				old := crew.start("a", filepath.Join(t.TempDir(), "a"))
				d := &doubt{crew: crew, pod: crew.podOf("c", "b", "a")}
				d.log = d.pod.Start("main")
				d.report(d.pod)
				d.write(c.before)
				watchtest.Pass(time.Minute)
				c.change(d, old)
				watchtest.Pass(takesOver)
				d.write(10)
				watchtest.Pass(time.Minute)
				d.finish()
				r := d.record(d.sealed(d.pod), "main", 0)
				late := len(r.Gaps) == 1 && r.Gaps[0].Reason == archive.GapLateStart && r.Gaps[0].Unproven
				if late != c.late || !late && len(r.Gaps) > 0 || r.Log == nil || r.Log.Lines != int64(d.next) {
					t.Errorf("got gaps %+v and log %+v, want the start in doubt: %t, and %d lines", r.Gaps, r.Log, c.late, d.next)
				}
			})
		})
	}
}

// unserved has a file of the log come and go.
func (d *doubt) unserved() {
	d.log.Write(time.Now(), "never served")
	watchtest.Pass(watchtest.UsualPace)
	d.log.Rotate()
}
