package cleanup

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
)

var oursOnly = labels.Set{"ours": "yes"}

func selected(j *batchv1.Job) { j.Labels = oursOnly }

// startSelecting is start for a daemon with a selector.
func (b *bench) startSelecting() {
	b.selects = labels.SelectorFromSet(oursOnly)
	b.start()
}

// writes counts the changes of Jobs and pods that the janitor asks for.
func (b *bench) writes() *int {
	n := 0
	b.api.intercept(func(verb, kind, _ string) error {
		if verb != http.MethodGet && kind != "events" {
			n++
		}
		return nil
	})
	return &n
}

// TestStrangersPods: the cache has the pods of all Jobs and the selected Jobs only, so that a stranger's pod stands
// there without its Job. It waits for longer than the grace.
func TestStrangersPods(t *testing.T) {
	no := false
	for name, change := range map[string]func(*corev1.Pod){
		"image pull":    func(p *corev1.Pod) { waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}}) },
		"unschedulable": func(p *corev1.Pod) { unscheduled(time.Now())(&Pod{PodStanding: watch.PodStanding{Pod: p}}) },
		"gate of another daemon": func(p *corev1.Pod) {
			waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			p.Finalizers = []string{mark.Finalizer}
		},
		"labels of ours": func(p *corev1.Pod) {
			waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			p.Labels["ours"] = "yes"
		},
		"another group's kind of Job": func(p *corev1.Pod) {
			waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			p.Labels["ours"] = "yes"
			p.OwnerReferences[0].APIVersion, p.OwnerReferences[0].UID = "batch.volcano.sh/v1alpha1", "of-volcano"
			p.Labels["controller-uid"] = "of-volcano"
		},
		"made by hand, with the labels of a Job": func(p *corev1.Pod) {
			waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			p.Labels["ours"] = "yes"
			p.OwnerReferences = nil
		},
		"an owner that does not control it": func(p *corev1.Pod) {
			waits("ImagePullBackOff")(&Pod{PodStanding: watch.PodStanding{Pod: p}})
			p.OwnerReferences[0].Controller = &no
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.startSelecting()
				now, writes := metav1.Now(), b.writes()
				j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "strangers"}, Status: batchv1.JobStatus{Active: 1, StartTime: &now}}
				b.api.unheard(func() { b.api.create(j) })
				p := b.podOf(j, "strangers-a")
				p.Status.StartTime = &now
				change(p)
				b.api.create(p)
				after(3 * time.Hour)
				if *writes != 0 {
					t.Errorf("got %d changes of what is a stranger's, want none: %+v", *writes, b.api.pod("strangers-a"))
				}
			})
		})
	}
}

// verbs are what the janitor does to a Job and its pods, each with what brings it about.
var verbs = map[string]func(b *bench){
	"hold":      func(b *bench) { b.unfinishedJob(nil) },
	"adopt-ttl": func(b *bench) { b.unfinishedJob(ownTTL(60)) },
	"end-pod":   func(b *bench) { b.stuckPod(b.unfinishedJob(held1), waits("ErrImagePull")) },
	"withdraw":  func(b *bench) { b.stuckPod(b.unfinishedJob(held1), unscheduled(time.Now())) },
	"end-job": func(b *bench) {
		j := b.unfinishedJob(held1)
		b.lookout.events[j.UID] = []*corev1.Event{warning("FailedCreate", time.Now(), time.Now().Add(time.Hour))}
	},
	"retry": func(b *bench) {
		j := b.unfinishedJob(held1)
		for _, name := range []string{"w", "x", "y", "z"} {
			p := b.podOf(j, name)
			p.Status.Phase = corev1.PodFailed
			b.api.create(p)
			b.sealed(p)
		}
	},
	"tell": func(b *bench) {
		b.cfg.Gate = config.GateNever
		j, p := b.finished("a", selected)
		b.sealed(p)
		b.settle(j.UID)
	},
	"delete-job": func(b *bench) {
		b.cfg.Gate = config.GateNever
		j, p := b.finished("a", selected)
		b.sealed(p)
		b.shelf.write(j.UID)
	},
}

func held1(j *batchv1.Job) { j.Finalizers = []string{mark.Finalizer} }

// unfinishedJob makes a selected Job that runs and has no pod yet.
func (b *bench) unfinishedJob(change func(*batchv1.Job)) *batchv1.Job {
	now := metav1.Now()
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: oursOnly}, Status: batchv1.JobStatus{StartTime: &now}}
	if change != nil {
		change(j)
	}
	b.api.create(j)
	return j
}

func (b *bench) stuckPod(j *batchv1.Job, how func(*Pod)) {
	p := b.podOf(j, "stuck")
	how(&Pod{PodStanding: watch.PodStanding{Pod: p}})
	b.api.create(p)
}

// sealed is seal before the janitor runs.
func (b *bench) sealed(p *corev1.Pod) {
	b.shelf.put(p, archive.Complete)
	b.lookout.sealed[p.UID] = true
}

// settle writes the document, and tells the janitor as soon as it runs.
func (b *bench) settle(job types.UID) {
	b.shelf.write(job)
	b.later = append(b.later, func() { b.janitor.Settled(job, true) })
}

// TestEveryVerbAsksWhoseItIs: the Job leaves the selection, and the cache does not hear of it. Nothing is done to it or
// to its pods. The same with a Job that stays shows that it would have been.
func TestEveryVerbAsksWhoseItIs(t *testing.T) {
	for name, prepare := range verbs {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, leaves=%t", name, leaves), func(t *testing.T) {
				inBubble(t, func(b *bench) {
					prepare(b)
					if leaves {
						b.api.unheard(func() { b.api.edit(b.job("a"), func(o metav1.Object) { o.SetLabels(nil) }) })
					}
					writes := b.writes()
					b.startSelecting()
					after(3 * time.Hour)
					if leaves && *writes > 0 {
						t.Errorf("got %d changes of a Job that is not selected any more, want none", *writes)
					} else if !leaves && *writes == 0 {
						t.Error("got no change of a Job that is selected: the test does not test")
					}
				})
			})
		}
	}
}

// TestGateIsTakenOffWhatHasLeft: whoever puts a finalizer on takes it off.
func TestGateIsTakenOffWhatHasLeft(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, p := b.finished("a", selected, held1)
		b.sealed(p)
		b.shelf.write(b.job("a").UID)
		b.api.unheard(func() { b.api.edit(b.job("a"), func(o metav1.Object) { o.SetLabels(nil) }) })
		b.startSelecting()
		after(time.Minute)
		if got := b.job("a").Finalizers; len(got) > 0 {
			t.Errorf("got finalizers %v, want none", got)
		}
	})
}

// TestKeepIsHeardBeforeAnEnd: the annotation came a moment ago, and the cache does not have it.
func TestKeepIsHeardBeforeAnEnd(t *testing.T) {
	inBubble(t, func(b *bench) {
		j := b.unfinishedJob(held1)
		b.stuckPod(j, waits("ErrImagePull"))
		b.api.unheard(func() {
			b.api.edit(j, func(o metav1.Object) { o.SetAnnotations(map[string]string{mark.Keep: "true"}) })
		})
		writes := b.writes()
		b.startSelecting()
		after(time.Hour)
		if *writes != 0 {
			t.Errorf("got %d changes of what is to be kept, want none", *writes)
		}
	})
}

// TestOrphansUnderASelector: nobody can be asked any more whose a pod was but itself.
func TestOrphansUnderASelector(t *testing.T) {
	for _, tt := range []struct {
		name string
		word func(*corev1.Pod)
		goes bool
	}{
		{"it says nothing", func(*corev1.Pod) {}, false},
		{"its labels are selected", func(p *corev1.Pod) { p.Labels["ours"] = "yes" }, true},
		// The gate says no more than who takes it off.
		{"it carries the gate", func(p *corev1.Pod) { p.Finalizers = []string{mark.Finalizer} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.startSelecting()
				p := b.podOf(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "gone", UID: "gone"}}, "left")
				p.OwnerReferences, p.Status.Phase = nil, corev1.PodSucceeded
				tt.word(p)
				b.api.create(p)
				b.seal(p, archive.Complete)
				after(3 * time.Hour)
				left := b.api.pod("left")
				if got := left == nil; got != tt.goes {
					t.Errorf("got it gone %t, want %t", got, tt.goes)
				}
				if left != nil && len(left.Finalizers) > 0 {
					t.Errorf("got finalizers %v, want the gate off what is sealed", left.Finalizers)
				}
			})
		})
	}
}

// TestGateIsTakenOffWhatTheCacheLost: a Job that is labelled out of the selection leaves the cache as if it were gone.
func TestGateIsTakenOffWhatTheCacheLost(t *testing.T) {
	for _, stays := range []bool{true, false} {
		t.Run(fmt.Sprintf("stays=%t", stays), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				j := b.unfinishedJob(held1)
				b.stuckPod(j, waits("ErrImagePull"))
				b.startSelecting()
				after(time.Second)
				b.api.unheard(func() {
					b.api.edit(j, func(o metav1.Object) {
						if !stays {
							o.SetLabels(nil)
						}
					})
				})
				b.lookout.see(j, true)
				b.janitor.Notice(j.UID)
				after(time.Hour)
				if got := len(b.job("a").Finalizers) > 0; got != stays {
					t.Errorf("got it held %t, want %t", got, stays)
				}
				if p := b.api.pod("stuck"); p.Spec.ActiveDeadlineSeconds != nil {
					t.Error("its pod was ended")
				}
			})
		})
	}
}
