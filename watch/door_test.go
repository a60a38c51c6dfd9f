package watch

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

var jobResource = batchv1.SchemeGroupVersion.WithResource("jobs")

func (c *crew) addJob(name string, created time.Time) *batchv1.Job {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: jobsNamespace, Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: metav1.NewTime(created),
	}}
	c.must(c.server.Tracker().Add(job))
	return job
}

// labelledPod makes a pod without an owner.
func (c *crew) labelledPod(name string, labels map[string]string) *kubelet.Pod {
	p := c.k.Pod(jobsNamespace, kubelet.Spec{Name: name, Labels: labels})
	c.must(c.server.Tracker().Add(p.Object()))
	return p
}

// TestLabelsAlone: somebody labels a pod as a Job's. It is that Job's where the Job is there and has not ended, as the
// Job's controller would adopt it then; else it is kept, by itself.
func TestLabelsAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare  func(c *crew)
		believed bool
	}{
		"the Job was never there": {func(*crew) {}, false},
		"the Job runs":            {func(c *crew) { c.addJob("victim", time.Now()) }, true},
		"the Job has another UID": {func(c *crew) {
			job := c.addJob("victim", time.Now())
			job.UID = "another"
			c.must(c.server.Tracker().Update(jobResource, job, jobsNamespace))
		}, false},
		"the Job has long ended": {func(c *crew) {
			job := c.addJob("victim", time.Now().Add(-time.Hour))
			job.Status.Conditions = []batchv1.JobCondition{{
				Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Minute)),
			}}
			c.must(c.server.Tracker().Update(jobResource, job, jobsNamespace))
		}, false},
		"the Job has long gone": {func(c *crew) {
			c.addJob("victim", time.Now())
			watchtest.Pass(time.Second)
			c.must(c.server.Tracker().Delete(jobResource, jobsNamespace, "victim"))
			watchtest.Pass(time.Minute)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				h := c.start("a", filepath.Join(t.TempDir(), "a"))
				watchtest.Pass(time.Second)
				tt.prepare(c)
				watchtest.Pass(time.Second)
				p := c.labelledPod("forged", watchtest.Labelled("victim", "uid-of-victim"))
				i := p.Start("main")
				c.report(p)
				i.Write(time.Now(), "one")
				i.Exit(0)
				p.Finish(corev1.PodSucceeded, "", "")
				c.report(p)
				watchtest.Pass(time.Minute)
				ref := pods.Ref(p.Object())
				if !tt.believed {
					ref.Job, ref.JobUID = "", ""
				}
				m := c.manifestOf(ref)
				if m == nil {
					t.Fatalf("got keys %v, want the manifest of %+v", c.memory.Keys(), ref)
				}
				if r := c.record(m, "main", 0); r.Verdict != archive.Complete || r.PodRef != ref || (m.Pod.Alone == "") != tt.believed {
					t.Errorf("got %s of %+v, alone for %q; believed: %t", r.Verdict, r.PodRef, m.Pod.Alone, tt.believed)
				}
				if got := len(h.watcher.Standing("uid-of-victim").Pods); got != map[bool]int{true: 1}[tt.believed] {
					t.Errorf("got %d pods of the Job, believed: %t", got, tt.believed)
				}
			})
		})
	}
}

// TestOrphanStaysItsJobs: a Job is deleted and its pods live on, without an owner. They are its own still, also for a
// daemon that starts again, with its disk or without.
func TestOrphanStaysItsJobs(t *testing.T) {
	for name, again := range map[string]func(c *crew, h *hand) *hand{
		"one life":          func(_ *crew, h *hand) *hand { return h },
		"another life":      func(c *crew, h *hand) *hand { return c.start("a", c.kill(h)) },
		"without its disk":  func(c *crew, h *hand) *hand { c.kill(h); return c.start("a", filepath.Join(c.t.TempDir(), "new")) },
		"another replica's": func(c *crew, h *hand) *hand { c.kill(h); return c.start("b", filepath.Join(c.t.TempDir(), "b")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				h := c.start("a", filepath.Join(t.TempDir(), "a"))
				p := c.pod(kubelet.Spec{})
				job := c.addJob("job-1", time.Now())
				i := p.Start("main")
				c.report(p)
				i.Write(time.Now(), "one")
				watchtest.Pass(2 * crewJournal)
				orphan := func() {
					o := p.Object()
					o.OwnerReferences = nil
					c.must(c.server.Tracker().Update(watchtest.PodResource, o, jobsNamespace))
				}
				orphan()
				c.must(c.server.Tracker().Delete(jobResource, jobsNamespace, job.Name))
				watchtest.Pass(time.Minute)
				h = again(c, h)
				watchtest.Pass(takesOver)
				i.Write(time.Now(), "two")
				i.Exit(0)
				p.Finish(corev1.PodSucceeded, "", "")
				orphan()
				m := c.sealed(p)
				if r := c.record(m, "main", 0); m.Pod.Alone != "" || len(c.lines(r)) != 2 {
					t.Errorf("got %d lines, alone for %q; want two, of its Job", len(c.lines(r)), m.Pod.Alone)
				}
				watchtest.Pass(time.Minute)
				h = again(c, h)
				watchtest.Pass(takesOver)
				if s := h.watcher.Standing(job.UID); len(s.Pods) != 1 || !s.Pods[0].Sealed {
					t.Errorf("got %+v, want its pod, sealed", s.Pods)
				}
				if m := c.manifestOf(archive.PodRef{Namespace: jobsNamespace, Pod: p.Name(), PodUID: archive.PodUID(p.UID())}); m != nil {
					t.Error("the pod is kept a second time, by itself")
				}
			})
		})
	}
}

// TestJobWithASelectorOfItsOwn: its pods have none of the labels that the Job's controller sets otherwise.
func TestJobWithASelectorOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		p := c.pod(kubelet.Spec{Edit: func(p *corev1.Pod) { p.Labels = map[string]string{"picky": "yes"} }})
		stranger := c.labelledPod("stranger", map[string]string{"app": "web"})
		i := p.Start("main")
		stranger.Start("main")
		c.report(stranger)
		c.report(p)
		h := c.start("a", filepath.Join(t.TempDir(), "a"))
		i.Write(time.Now(), "one")
		watchtest.Pass(time.Minute)
		i.Exit(0)
		p.Finish(corev1.PodSucceeded, "", "")
		c.report(p)
		if r := c.record(c.sealed(p), "main", 0); len(c.lines(r)) != 1 {
			t.Errorf("got %s (%s) with %d lines, want one", r.Verdict, r.Reason, len(c.lines(r)))
		}
		cached, err := h.watcher.pods.Pods(jobsNamespace).Get("stranger")
		c.must(err)
		if len(cached.Spec.Containers)+len(cached.Status.ContainerStatuses)+len(cached.Labels) > 0 {
			t.Errorf("the cache has %+v of a pod that is of no Job, want its name alone", cached)
		}
	})
}

// TestPoisonHoldsNobodyUp has more pods than sealers of which the store takes nothing. The others are sealed, and these
// as soon as it does.
func TestPoisonHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		h := c.start("a", filepath.Join(t.TempDir(), "a"))
		c.store.Break(storetest.Fault{Op: storetest.OpPut, Key: "v1/*poison*", Times: -1, Effect: storetest.NotStored(nil)})
		end := func(p *kubelet.Pod) {
			i := p.Start("main")
			c.report(p)
			i.Write(time.Now(), "one")
			i.Exit(0)
			p.Finish(corev1.PodSucceeded, "", "")
			c.report(p)
		}
		var poison []*kubelet.Pod
		for _, name := range []string{"poison-1", "poison-2", "poison-3", "poison-4", "poison-5", "poison-6"} {
			poison = append(poison, c.pod(kubelet.Spec{Name: name}))
			end(poison[len(poison)-1])
		}
		watchtest.Pass(5 * time.Minute)
		for range 5 {
			p := c.pod(kubelet.Spec{})
			end(p)
			watchtest.Pass(15 * time.Minute)
			if c.manifest(p) == nil {
				t.Errorf("pod %s is not sealed after 15 minutes", p.Name())
			}
		}
		if got := testutil.ToFloat64(h.watcher.parts.Seal.Refused); got == 0 {
			t.Error("got no count of what the store refuses")
		}
		c.store.Mend()
		for _, p := range poison {
			c.sealed(p)
		}
	})
}
