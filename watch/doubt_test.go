package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
	"github.com/epilogue-dev/epilogue/watch/lease"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// doubt is a takeover while the taker cannot reach the store. Of the dead replica the journal holds lines that the
// kubelet serves no more, and lines that it still serves.
type doubt struct {
	*crew
	taker *hand
	pod   *kubelet.Pod
	log   *kubelet.Instance
	next  int
}

func newDoubt(t *testing.T, living bool) *doubt {
	d := &doubt{crew: newCrew(t)}
	dead := d.start("a", filepath.Join(t.TempDir(), "a"))
	if living {
		d.taker = d.start("b", filepath.Join(t.TempDir(), "b"))
		watchtest.Pass(watchtest.LeaseTime)
	}
	d.pod = d.podOf("a", "b")
	d.journaled()
	d.kill(dead)
	if !living {
		d.taker = d.start("b", filepath.Join(t.TempDir(), "b"))
	}
	d.taker.toStore.Cut()
	watchtest.Pass(takesOver)
	d.write(10)
	watchtest.Pass(time.Minute)
	return d
}

// podOf makes a pod that the first of the replicas owns among all of them, the second without it, and so on.
func (c *crew) podOf(replicas ...string) *kubelet.Pod {
	next := func() types.UID { return types.UID(fmt.Sprintf("uid-of-job-%d", c.jobs+1)) }
	for n := 0; n < len(replicas); n++ {
		if lease.Owner(next(), replicas[n:]) != replicas[n] {
			c.jobs++
			n = -1
		}
	}
	return c.pod(kubelet.Spec{})
}

// journaled has the log begin, so that its owner's journal holds lines that the kubelet serves no more.
func (d *doubt) journaled() {
	d.log = d.pod.Start("main")
	d.report(d.pod)
	d.write(10)
	watchtest.Pass(2 * watchtest.UsualPace)
	d.log.Rotate()
	d.write(10)
	watchtest.Pass(2 * crewJournal)
}

func (d *doubt) write(n int) {
	for range n {
		d.log.Write(time.Now(), fmt.Sprint("line ", d.next))
		d.next++
	}
}

func (d *doubt) finish() {
	d.log.Exit(0)
	d.pod.Finish("Succeeded", "", "")
	d.report(d.pod)
}

// TestStoreAwayAtTakeover: what is read while the store is away goes behind what the journals hold, so that nothing is
// missing.
func TestStoreAwayAtTakeover(t *testing.T) {
	for _, living := range []bool{true, false} {
		for name, tt := range map[string]struct {
			away, back func(*doubt) // what happens before and after the store is back
			ended      bool         // the end was proven
		}{
			"the log goes on": {func(*doubt) {}, func(d *doubt) { d.write(10); d.finish() }, true},
			"it ends":         {(*doubt).finish, func(*doubt) {}, true},
			"its pod goes":    {func(d *doubt) { d.finish(); watchtest.Pass(time.Minute); d.remove(d.pod) }, func(*doubt) {}, true},
			"a rotation": {func(d *doubt) { d.log.Rotate(); d.write(10); watchtest.Pass(time.Minute) },
				func(d *doubt) { d.log.Rotate(); d.write(10); watchtest.Pass(time.Minute); d.finish() }, true},
			"the taker crashes": {func(d *doubt) {
				d.taker = d.start("b", d.kill(d.taker))
				d.taker.toStore.Cut()
				watchtest.Pass(takesOver)
				d.write(10)
				watchtest.Pass(time.Minute)
			}, func(d *doubt) { d.write(10); d.finish() }, true},
			"the taker crashes as the store is back": {func(d *doubt) { d.taker = d.start("b", d.kill(d.taker)) },
				func(d *doubt) { d.finish() }, true},
			"the taker pauses": {func(d *doubt) { d.taker.api.Cut(); watchtest.Pass(time.Minute); d.taker.api.Open() },
				func(d *doubt) { d.write(10); d.finish() }, true},
		} {
			t.Run(fmt.Sprintf("%s, living %t", name, living), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDoubt(t, living)
					tt.away(d)
					d.taker.toStore.Open()
					watchtest.Pass(time.Minute)
					tt.back(d)
					d.wantAll(tt.ended)
				})
			})
		}
	}
}

// wantAll says that every line is kept, in order and once, without a gap.
func (d *doubt) wantAll(ended bool) {
	d.t.Helper()
	r := d.record(d.sealed(d.pod), "main", 0)
	var got, want []string
	for _, l := range d.lines(r) {
		got = append(got, l.Text)
	}
	for n := range d.next {
		want = append(want, fmt.Sprint("line ", n))
	}
	if err := oracle.Whole(*r, d.log); err != nil && ended {
		d.t.Error(err)
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("got %q, verdict %s (%s), gaps %+v; want %d lines", got, r.Verdict, r.Reason, r.Gaps, len(want))
	}
	for range 12 {
		if !slices.ContainsFunc(d.memory.Keys(), inJournal) {
			return
		}
		time.Sleep(collectEvery)
	}
	d.t.Error("journal objects are left")
}
