package cleanup

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// worlds is how many of them are played; EPILOGUE_SEED plays one again.
const worlds = 20

// TestModel plays random Jobs, users, crashes, outages of the store and errors of the API server, with a cache that is
// behind, against the whole janitor. No Job and no pod may be deleted before it is sealed, nothing that must go may
// stay, nothing that is kept may go, no finalizer may be left, and each Job may cost so many requests and no more.
func TestModel(t *testing.T) {
	first, last := uint64(1), uint64(worlds)
	if text := os.Getenv("EPILOGUE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("EPILOGUE_SEED %q is not a number", text)
		}
		first, last = seed, seed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				t.Cleanup(w.crash)
				w.play()
			})
		})
	}
}

// world is one random run. Its clock ticks in seconds; between two ticks only the janitor works, and within one it does
// not: what it is told there waits in told.
type world struct {
	*bench
	rand *rand.Rand

	plans   map[types.UID]*plan       // of pods
	lives   map[types.UID]*life       // of Jobs
	pending map[types.UID]*corev1.Pod // pods whose logs are being sealed; the spool outlives a crash
	sealAt  map[types.UID]time.Time
	cacheMu sync.Mutex
	behind  []news // guarded by cacheMu; what the cache has not seen yet
	seeAt   time.Time
	told    []func()  // what the janitor hears at the end of the tick
	upAt    time.Time // of the next start; zero: it runs
	mendAt  time.Time // end of the store's outage; zero: none
}

type news struct {
	object metav1.Object
	gone   bool
}

// plan is what will become of a pod.
type plan struct {
	ends  time.Time
	code  corev1.PodPhase
	stuck string // waits for this; "node": never gets one
}

// life is what is known of a Job to judge by.
type life struct {
	job     *batchv1.Job
	pods    []*corev1.Pod
	gated   bool      // it has carried the gate
	torn    bool      // somebody deleted it so that no gate holds
	kept    bool      // it must be there in the end
	deleted time.Time // when somebody asked for its deletion
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		bench: newBench(t), rand: rand.New(rand.NewPCG(seed, 1)), plans: map[types.UID]*plan{}, lives: map[types.UID]*life{},
		pending: map[types.UID]*corev1.Pod{}, sealAt: map[types.UID]time.Time{},
	}
	w.cfg = config.Cleanup{
		Enabled: true, TTLSuccess: 10 * time.Minute, TTLFailure: 20 * time.Minute, RetryPods: 1, OrphanTTL: 5 * time.Minute, Rate: 20,
		Gate: config.GateAlways, GateDeadline: 15 * time.Minute, AdoptTTL: true, CrashLoops: 3,
		Grace: config.Grace{ImagePull: 2 * time.Minute, Schedule: 3 * time.Minute},
	}
	w.api.changed = func(o metav1.Object, gone bool) {
		w.cacheMu.Lock()
		w.behind = append(w.behind, news{copyOf(o), gone})
		w.cacheMu.Unlock()
		w.judgeState(o, gone)
	}
	w.api.deletes = w.judgeDeletion
	dice := rand.New(rand.NewPCG(seed, 2)) // thrown by one request at a time
	w.api.intercept(func(string, string, string) error {
		if dice.IntN(50) == 0 {
			return errServer
		}
		return nil
	})
	w.api.lose(func(verb, _ string) error {
		if verb != http.MethodGet && dice.IntN(50) == 0 {
			return errServer
		}
		return nil
	})
	w.start()
	return w
}

// hours of random events, and then of quiet in which all must end.
const (
	busy = time.Hour
	calm = 3 * time.Hour
)

func (w *world) play() {
	for end := time.Now().Add(busy); time.Now().Before(end); {
		w.happen()
		w.tick()
	}
	w.restart()
	w.mend()
	after(time.Second)
	w.api.intercept(nil)
	w.api.lose(nil)
	for end := time.Now().Add(calm); time.Now().Before(end); {
		w.tick()
	}
	w.judgeEnd()
}

// happen does at most one random thing.
func (w *world) happen() {
	switch n := w.rand.IntN(400); {
	case n < 6 && len(w.lives) < 40:
		w.create()
	case n < 12:
		w.meddle()
	case n == 12 && w.upAt.IsZero():
		w.crash()
		w.upAt = time.Now().Add(time.Duration(w.rand.IntN(600)) * time.Second)
	case n == 13 && w.mendAt.IsZero():
		w.shelf.breakDown()
		w.mendAt = time.Now().Add(time.Duration(w.rand.IntN(1800)) * time.Second)
	}
}

func (w *world) crash() {
	if w.stop != nil {
		w.stop()
	}
}

func (w *world) mend() { w.shelf.mend(); w.mendAt = time.Time{} }

// restart is the next life of the daemon: it knows what the cache shows and what the spool has, and asks the store
// anew.
func (w *world) restart() {
	w.crash()
	w.upAt = time.Time{}
	w.lookout.mu.Lock()
	w.lookout.since = time.Now()
	for _, pods := range w.lookout.pods {
		for uid := range pods {
			delete(w.lookout.sealed, uid)
			w.lookout.unproven[uid] = true
		}
	}
	w.lookout.mu.Unlock()
	w.start()
}

// judgeState keeps what an object became. A Job that goes without its logs needs a reason. Called with the API's mu
// held.
func (w *world) judgeState(o metav1.Object, gone bool) {
	if p, ok := o.(*corev1.Pod); ok {
		l := w.lives[jobOf(p)]
		for i := range l.pods {
			if l.pods[i].UID == p.UID {
				l.pods[i] = p
			}
		}
		return
	}
	j := o.(*batchv1.Job)
	l := w.lives[j.UID]
	l.job = j
	l.gated = l.gated || has(j.Finalizers, mark.Finalizer)
	if !gone || l.torn || !l.gated {
		return
	}
	end := pods.FinishedAt(j)
	if end.IsZero() {
		end = j.DeletionTimestamp.Time
	}
	for _, p := range l.pods {
		if !w.shelf.has(j.UID, p.UID) && time.Since(end) < w.cfg.GateDeadline {
			w.t.Errorf("%s went before pod %s was sealed, %s after its end", j.Name, p.Name, time.Since(end))
		}
	}
}

// judgeDeletion is called before each deletion by the janitor.
func (w *world) judgeDeletion(o metav1.Object, how *metav1.DeleteOptions) {
	if how.Preconditions == nil || how.Preconditions.UID == nil || how.Preconditions.ResourceVersion == nil {
		w.t.Errorf("%s is deleted without preconditions", o.GetName())
	}
	if how.PropagationPolicy == nil || *how.PropagationPolicy != metav1.DeletePropagationBackground {
		w.t.Errorf("%s is deleted with propagation %v, want background", o.GetName(), how.PropagationPolicy)
	}
	switch o := o.(type) {
	case *batchv1.Job:
		if pods.FinishedAt(o).IsZero() || o.Annotations[mark.Keep] == "true" || !w.shelf.written(o.UID) {
			w.t.Errorf("%s is deleted, and it has not finished, is kept or has no document: %v", o.Name, o.Annotations)
		}
		for _, p := range w.lives[o.UID].pods {
			if !w.shelf.has(o.UID, p.UID) {
				w.t.Errorf("%s is deleted before pod %s is sealed", o.Name, p.Name)
			}
		}
	case *corev1.Pod:
		switch {
		case o.Spec.NodeName == "" && !has(o.Finalizers, mark.Finalizer):
			w.t.Errorf("pod %s is withdrawn and nothing holds it", o.Name)
		case o.Spec.NodeName != "" && (!pods.Over(o) || !w.shelf.has(jobOf(o), o.UID)):
			w.t.Errorf("pod %s is deleted before it has ended and is sealed", o.Name)
		}
	}
}

// mostRequests bounds what one Job and its pods may cost, with crashes and one error in fifty answers. Before each
// change of one the API server is asked for it, and for its Job: that is half as much again as the changes themselves.
const mostRequests = 60

func (w *world) judgeEnd() {
	if len(w.lives) < 10 {
		w.t.Errorf("got %d Jobs, want a world with more in it", len(w.lives))
	}
	total := 0
	for uid, l := range w.lives {
		current := w.job(l.job.Name)
		if l.kept && current == nil {
			w.t.Errorf("%s was kept, and is gone", l.job.Name)
		}
		if !l.kept && current != nil {
			w.t.Errorf("%s is there still: %+v, Events %v", l.job.Name, current.ObjectMeta, w.api.said(l.job.Name))
		}
		// Of a Job that is kept a pod that cannot start is kept, too.
		waits := l.kept && current != nil && pods.FinishedAt(current).IsZero()
		if current != nil && has(current.Finalizers, mark.Finalizer) && !waits {
			w.t.Errorf("%s carries the gate still", l.job.Name)
		}
		spent := w.api.spent(l.job.Name) + w.api.spent("list "+string(uid))
		for _, p := range l.pods {
			if got := w.current(p); got != nil && current == nil {
				w.t.Errorf("pod %s outlives its Job: %+v %+v", p.Name, got.ObjectMeta, got.Status)
			}
			if !w.shelf.has(uid, p.UID) && !waits {
				w.t.Errorf("pod %s was never sealed", p.Name)
			}
			spent += w.api.spent(p.Name)
		}
		if spent > mostRequests {
			w.t.Errorf("%s cost %d requests with %d pods, want at most %d", l.job.Name, spent, len(l.pods), mostRequests)
		}
		total += spent
	}
	w.t.Logf("%d Jobs, %.1f requests each", len(w.lives), float64(total)/float64(max(1, len(w.lives))))
	for _, memory := range []map[types.UID]bool{keys(w.janitor.stuck), keys(w.janitor.acted), keys(w.janitor.holding), keys(w.janitor.late), w.janitor.untold} {
		for uid := range memory {
			if w.job(w.lives[uid].job.Name) == nil {
				w.t.Errorf("the janitor remembers %s, which is gone", w.lives[uid].job.Name)
			}
		}
	}
}

func keys[V any](m map[types.UID]V) map[types.UID]bool {
	set := map[types.UID]bool{}
	for uid := range m {
		set[uid] = true
	}
	return set
}
