package cleanup

import (
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/watch"
)

func ofWorkload(j *batchv1.Job) { j.Labels = map[string]string{"workload": "w"} }

// run makes a Job of the workload that has just ended, sealed and documented.
func (b *bench) run(name string, changes ...func(*batchv1.Job)) {
	j, p := b.finished(name, append(changes, ofWorkload)...)
	b.seal(p, archive.Complete)
	b.finish(j.UID)
}

func (b *bench) wantJobs(there map[string]bool) {
	b.t.Helper()
	for name, want := range there {
		if got := b.job(name) != nil; got != want {
			b.t.Errorf("%s: got there %t, want %t", name, got, want)
		}
	}
}

func keepTwo(b *bench) {
	b.cfg.HistoryLimit, b.cfg.TTLSuccess, b.cfg.Gate = 2, 10*24*time.Hour, config.GateNever
}

// sharing is the lookout of one replica of two: it has every Job, and acts for some.
type sharing struct {
	*lookout
	theirs map[types.UID]bool
}

func (s sharing) Standing(job types.UID) watch.Standing {
	if s.theirs[job] {
		return watch.Standing{Job: s.lookout.Standing(job).Job}
	}
	return s.lookout.Standing(job)
}

// TestHistoryAcrossReplicas: the older Jobs are this replica's, and become too many by the end of newer ones of
// another.
func TestHistoryAcrossReplicas(t *testing.T) {
	inBubble(t, func(b *bench) {
		keepTwo(b)
		b.start()
		b.janitor.parts.Cache = sharing{b.lookout, map[types.UID]bool{"uid-2": true, "uid-3": true}}
		for n := range 4 {
			b.run(fmt.Sprintf("run-%d", n), func(j *batchv1.Job) { j.UID = types.UID(fmt.Sprintf("uid-%d", n)) })
			after(time.Minute)
		}
		after(time.Hour)
		b.wantJobs(map[string]bool{"run-0": false, "run-1": false, "run-2": true, "run-3": true})
	})
}

// TestHistoryWithinOneSecond: two end in one second, by their UIDs the second of them counts as the older, and the
// cache hears of it last.
func TestHistoryWithinOneSecond(t *testing.T) {
	inBubble(t, func(b *bench) {
		keepTwo(b)
		b.start()
		end := metav1.NewTime(time.Now().Add(time.Minute).Truncate(time.Second))
		in := func(uid types.UID) func(*batchv1.Job) {
			return func(j *batchv1.Job) { j.UID, j.Status.Conditions[0].LastTransitionTime = uid, end }
		}
		b.run("old")
		after(time.Minute)
		b.run("first", in("uid-z"))
		after(300 * time.Millisecond)
		b.run("second", in("uid-a"))
		after(time.Hour)
		b.wantJobs(map[string]bool{"old": false, "first": true, "second": true})
	})
}

// TestHistoryHeardOutOfOrder: the cache hears of the ends in another order than they came.
func TestHistoryHeardOutOfOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 3, 1, 2}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				keepTwo(b)
				b.start()
				base := time.Now().Truncate(time.Second)
				for _, n := range order {
					b.run(fmt.Sprintf("run-%d", n), func(j *batchv1.Job) {
						j.Status.Conditions[0].LastTransitionTime = metav1.NewTime(base.Add(time.Duration(n) * time.Minute))
					})
					after(time.Second)
				}
				after(time.Minute)
				b.wantJobs(map[string]bool{"run-0": false, "run-1": false, "run-2": true, "run-3": true})
			})
		})
	}
}

// TestHistoryOfRules: another limit counts for some of the workload's Jobs.
func TestHistoryOfRules(t *testing.T) {
	inBubble(t, func(b *bench) {
		keepTwo(b)
		three := 3
		b.cfg.Rules = []config.Rule{{Name: "often-*", HistoryLimit: &three}}
		b.start()
		for _, name := range []string{"often-0", "rare-0", "often-1", "often-2", "rare-1"} {
			b.run(name)
			after(time.Second)
		}
		after(time.Minute)
		// often-0 has gone before the newest ended: three were newer. rare-0 went when two were.
		b.wantJobs(map[string]bool{"often-0": false, "rare-0": false, "often-1": true, "often-2": true, "rare-1": true})
	})
}

// TestHistoryCostsNoLooksInVain: with nothing too many a Job's end has no other one looked at, so that many do not look
// at each other without end.
func TestHistoryCostsNoLooksInVain(t *testing.T) {
	inBubble(t, func(b *bench) {
		keepTwo(b)
		b.cfg.HistoryLimit = 100
		for n := range 50 {
			j, p := b.finished(fmt.Sprintf("run-%d", n), ofWorkload)
			b.sealed(p)
			b.shelf.write(j.UID)
		}
		b.start()
		after(time.Second)
		if got, most := b.lookout.asked, 50*2; got > most {
			t.Errorf("got %d looks at 50 Jobs, want at most %d", got, most)
		}
	})
}
