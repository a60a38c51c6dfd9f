package cleanup

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

// in puts a container of a state into the pod, by its name: "init-…" is an init container, or a sidecar.
func in(name string, state corev1.ContainerState, restarts int32) func(*Pod) {
	return func(p *Pod) {
		s := corev1.ContainerStatus{Name: name, State: state, RestartCount: restarts}
		if len(name) > 4 && name[:5] == "init-" {
			p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, s)
			return
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
	}
}

func isRunning() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(started1)}}
}

func isWaiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "why"}}
}

func hasEnded(code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, StartedAt: at(started1), FinishedAt: at(started1)}}
}

func onFailure(p *Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyOnFailure }

func controlled(p *Pod) { yes := true; p.OwnerReferences[0].Controller = &yes }

// TestWorkIsNotEnded: what one container of a pod lacks is no reason to end the work of another.
func TestWorkIsNotEnded(t *testing.T) {
	loop, pull := isWaiting("CrashLoopBackOff"), isWaiting("ImagePullBackOff")
	long := stuckSince(started1)
	with := func(changes ...func(*Pod)) Facts {
		return Facts{Job: job(), Pods: []Pod{pod("a", append(changes, long)...)}}
	}
	named := func(main string) func(*Pod) {
		return func(p *Pod) { p.Annotations = map[string]string{mark.DefaultContainer: main} }
	}
	anyhow := func(s *config.Cleanup) { s.EndWorking = true }
	check(t, []row{
		{"a sidecar keeps crashing", with(in("init-side", loop, 50), in("main", isRunning(), 0)), nil, evening, "keep running"},
		{"a sidecar keeps crashing, and pods are to be ended", with(in("init-side", loop, 50), in("main", isRunning(), 0)), anyhow, evening, "keep running, end-pod crash-loop a"},
		{"a sidecar keeps crashing, and main cannot begin", with(in("init-side", loop, 50), in("main", isWaiting("PodInitializing"), 0)), nil, evening, "keep running, end-pod crash-loop a"},
		{"a sidecar's image", with(in("init-side", pull, 0), in("main", isRunning(), 0)), nil, evening, "keep running"},
		{"a second container's image", with(in("main", isRunning(), 0), in("second", pull, 0)), nil, evening, "keep running"},
		{"a second container's image, in another order", with(in("second", pull, 0), in("main", isRunning(), 0)), nil, evening, "keep running"},
		{"a second container's image, and pods are to be ended", with(in("main", isRunning(), 0), in("second", pull, 0)), anyhow, evening, "keep running, end-pod image-pull a"},
		{"a second container's image, and main has ended", with(in("main", hasEnded(0), 0), in("second", pull, 0)), nil, evening, "keep running, end-pod image-pull a"},
		{"a second container's image, and main is about to be tried again", with(onFailure, in("main", hasEnded(1), 0), in("second", pull, 0)), nil, evening, "keep running"},
		{"a second container's image, and main keeps crashing", with(onFailure, controlled, in("main", loop, 3), in("second", pull, 0)), nil, evening, "keep running"},
		{"both lack their images", with(in("main", pull, 0), in("second", pull, 0)), nil, evening, "keep running, end-pod image-pull a"},
		{"main's image beside a sidecar of the old kind that it names", with(named("main"), in("proxy", isRunning(), 0), in("main", pull, 0)), nil, evening, "keep running, end-pod image-pull a"},
		{"a sidecar of the old kind beside the main container that it names", with(named("main"), in("proxy", pull, 0), in("main", isRunning(), 0)), nil, evening, "keep running"},
		{"it names none that is there", with(named("gone"), in("second", pull, 0), in("main", isRunning(), 0)), nil, evening, "keep running"},
		{"main's image behind a sidecar that keeps crashing", with(in("init-side", loop, 2), in("main", pull, 0)), nil, evening, "keep running, end-pod image-pull a"},
	})
}

// TestBackoffLimitIsTheJobs: of pods that are restarted on failure the Job's controller counts the restarts, so a Job
// gets every attempt that it was given.
func TestBackoffLimitIsTheJobs(t *testing.T) {
	loop := isWaiting("CrashLoopBackOff")
	own := func(p *Pod) {
		always := corev1.ContainerRestartPolicyAlways
		p.Spec.Containers = []corev1.Container{{Name: "main", RestartPolicy: &always}}
	}
	check(t, []row{
		{"it counts", Facts{Job: job(), Pods: []Pod{pod("a", onFailure, controlled, in("main", loop, 1000))}}, nil, evening, "keep running"},
		{"it counts init containers, too", Facts{Job: job(), Pods: []Pod{pod("a", onFailure, controlled, in("init-x", loop, 1000))}}, nil, evening, "keep running"},
		{"it does not count where a container has a policy of its own", Facts{Job: job(), Pods: []Pod{pod("a", own, controlled, in("main", loop, 10))}},
			nil, evening, "keep running, end-pod crash-loop a"},
		{"nobody counts an orphan's", Facts{Pods: []Pod{pod("a", onFailure, orphan, in("main", loop, 10))}}, nil, evening, "keep running, end-pod crash-loop a"},
	})
}

// TestEndsSayWhy: an Event, and the object itself from the moment of its end on, name the setting and the time that was
// waited.
func TestEndsSayWhy(t *testing.T) {
	crashes := func(p *Pod) { in("main", isWaiting("CrashLoopBackOff"), 12)(p) }
	for _, tt := range []struct {
		name, want string
		prepare    func(b *bench)
		during     func(b *bench)
	}{
		{"image", "pod stuck cannot start and is ended after 10m0s (grace-image-pull 10m0s): container main: ErrImagePull: why",
			func(b *bench) { b.stuckPod(b.unfinishedJob(held1), waits("ErrImagePull")) }, nil},
		{"no node", "pod stuck cannot start and is ended after 1h0m0s (grace-schedule 1h0m0s): Unschedulable: ",
			func(b *bench) { b.stuckPod(b.unfinishedJob(held1), unscheduled(time.Now())) }, nil},
		{"no pod", "no pod can be created, so the Job is ended after 1h0m0s (grace-no-pod 1h0m0s): FailedCreate: why", func(b *bench) {
			j := b.unfinishedJob(held1)
			b.lookout.events[j.UID] = []*corev1.Event{warning("FailedCreate", time.Now(), time.Now().Add(time.Hour))}
		}, nil},
		{"crashes", "pod stuck keeps crashing and is ended (crash-loops 10): 12 restarts, container main: CrashLoopBackOff: why",
			func(b *bench) { b.stuckPod(b.unfinishedJob(held1), crashes) }, nil},
		{"deleted", "pod stuck is ended (gate always): its Job was deleted, and is held until the log is archived",
			func(b *bench) { b.stuckPod(b.unfinishedJob(held1), func(*Pod) {}) }, func(b *bench) {
				b.api.mu.Lock()
				defer b.api.mu.Unlock()
				background := metav1.DeletePropagationBackground
				// Without preconditions there is no error.
				_ = b.api.remove(b.api.jobs["a"], &metav1.DeleteOptions{PropagationPolicy: &background}, false)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				tt.prepare(b)
				b.start()
				after(time.Second)
				if tt.during != nil {
					tt.during(b)
				}
				after(61 * time.Minute)
				said := ""
				for _, e := range b.api.events {
					if e.Reason == podCannotStart || e.Reason == podEnded {
						said += e.Message
					}
				}
				if said != tt.want {
					t.Errorf("got Events %q, want %q", said, tt.want)
				}
				noted := ""
				if p := b.api.pod("stuck"); p != nil {
					noted = p.Annotations[mark.Ended]
				} else if j := b.job("a"); j != nil {
					noted = j.Annotations[mark.Ended]
				}
				if len(noted) < 20 || said[max(0, len(said)-len(noted)):] != noted {
					t.Errorf("got annotation %q, want the end of %q", noted, said)
				}
			})
		})
	}
}
