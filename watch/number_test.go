package watch

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestRestartCountComesTwice has a pod's sandbox made anew under two init containers. The kubelet removes both with
// their logs. The first is started while its status is at hand and counts on; the second has no status and no logs, and
// counts from 0 again.
func TestRestartCountComesTwice(t *testing.T) {
	for name, takeover := range map[string]bool{"in one life": false, "with a takeover": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				a := c.start("a", filepath.Join(t.TempDir(), "a"))
				p := c.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure, Init: []string{"fetch", "setup"}})
				var written []string
				run := func(container string, code int) {
					i := p.Start(container)
					c.reportAnew(p, "setup")
					watchtest.Pass(2 * time.Second)
					written = append(written, fmt.Sprintf("%s wrote line %d", container, len(written)))
					i.Write(time.Now(), written[len(written)-1])
					watchtest.Pass(2 * time.Second)
					i.Exit(code)
					c.reportAnew(p, "setup")
					watchtest.Pass(10 * time.Second)
				}
				run("fetch", 0)
				run("setup", 0)
				run("main", 137)
				run("fetch", 0)
				run("setup", 0)
				if takeover {
					c.kill(a)
					c.start("b", filepath.Join(t.TempDir(), "b"))
				}
				run("main", 0)
				p.Finish(corev1.PodSucceeded, "", "")
				c.reportAnew(p, "setup")
				m := c.sealed(p)
				var got []string
				numbers := map[string]bool{}
				for n := range m.Instances {
					r := &m.Instances[n]
					if r.Verdict != archive.Complete {
						t.Errorf("%s[%d]: got verdict %s (%s), want complete", r.Container, r.Restart, r.Verdict, r.Reason)
					}
					for _, l := range c.lines(r) {
						got = append(got, l.Text)
					}
					numbers[fmt.Sprint(r.Container, r.Restart)] = true
				}
				slices.Sort(got)
				slices.Sort(written)
				if !slices.Equal(got, written) {
					t.Errorf("got lines %q, want %q", got, written)
				}
				if len(numbers) != len(written) {
					t.Errorf("got %d instances of different numbers, want %d: %v", len(numbers), len(written), numbers)
				}
			})
		})
	}
}

// reportAnew reports the pod as the kubelet does that has no earlier status of an init container.
func (c *crew) reportAnew(p *kubelet.Pod, init string) {
	o := p.Object()
	for n := range o.Status.InitContainerStatuses {
		if s := &o.Status.InitContainerStatuses[n]; s.Name == init {
			s.RestartCount, s.LastTerminationState = 0, corev1.ContainerState{}
		}
	}
	if err := c.server.Tracker().Update(watchtest.PodResource, o, jobsNamespace); err != nil {
		c.t.Error(err)
	}
}

// TestNumbers gives instances, as statuses and logs name them one after the other, their numbers.
func TestNumbers(t *testing.T) {
	type step struct {
		id    string
		count int
		log   bool // a log of the spool names it
		want  int
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"one after the other", []step{{"a", 0, false, 0}, {"b", 1, false, 1}, {"c", 2, false, 2}}},
		{"some were missed", []step{{"a", 0, false, 0}, {"d", 3, false, 3}}},
		{"seen late", []step{{"d", 3, false, 3}, {"e", 4, false, 4}}},
		{"counted from 0 again", []step{{"a", 0, false, 0}, {"b", 0, false, 1}, {"c", 1, false, 2}}},
		{"counted from 0 again after some", []step{{"c", 2, false, 2}, {"d", 3, false, 3}, {"e", 0, false, 4}, {"f", 1, false, 5}}},
		{"counted from 0 again, and some were missed", []step{{"c", 2, false, 2}, {"d", 1, false, 4}}},
		{"the same again", []step{{"a", 0, false, 0}, {"b", 0, false, 1}, {"a", 0, false, 0}, {"b", 0, false, 1}}},
		{"a dead one counted once more", []step{{"a", 0, false, 0}, {"a", 1, false, 0}, {"b", 1, false, 1}}},
		{"held before", []step{{"a", 0, true, 0}, {"b", 1, true, 1}, {"b", 1, false, 1}, {"c", 2, false, 2}}},
		{"held under a number of its own", []step{{"a", 0, true, 0}, {"b", 1, true, 1}, {"b", 0, false, 1}, {"c", 1, false, 2}}},
		{"held, and the cache is behind", []step{{"c", 2, true, 2}, {"b", 1, false, 1}, {"c", 2, false, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(watchtest.PodOf(corev1.ContainerStatus{}))
			for _, s := range c.steps {
				i := archive.Instance{Container: "main", Restart: s.count, ContainerID: s.id}
				var got archive.Instance
				if s.log {
					p.hold(i)
					got = p.numbers[s.id].Instance
				} else {
					got = p.number(i)
				}
				if got.Restart != s.want || got.ContainerID != s.id {
					t.Errorf("%s with count %d: got number %d of %s, want %d", s.id, s.count, got.Restart, got.ContainerID, s.want)
				}
			}
		})
	}
}

// TestRenumber has a log in the spool under the number that an instance was given, of one that may be known by another
// number.
func TestRenumber(t *testing.T) {
	for _, c := range []struct {
		name   string
		known  []string // in order
		read   bool     // the log's has one here already
		number int
		want   string
	}{
		{"of one that is not known", []string{"b"}, false, 0, "a0 b1"},
		{"of one that is known by another number", []string{"a", "b"}, false, 1, "a1 b2"},
		{"of one that is read under another number", []string{"a", "b"}, true, 1, "a0 b2"},
		{"of the last one", []string{"b", "a"}, false, 0, "a0 b1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(watchtest.PodOf(corev1.ContainerStatus{}))
			for n, id := range c.known {
				p.number(archive.Instance{Container: "main", Restart: n, ContainerID: id})
			}
			if c.read {
				p.logs["a"] = watchtest.HeldLogOf(t, p.numbers["a"].Instance)
			}
			p.renumber(p.numbers["b"].Instance, archive.Instance{Container: "main", Restart: c.number, ContainerID: "a"})
			got := fmt.Sprintf("a%d b%d", p.numbers["a"].Restart, p.numbers["b"].Restart)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestCountWithoutAnInstance has the kubelet count an instance that never was.
func TestCountWithoutAnInstance(t *testing.T) {
	unknown := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}}
	one := corev1.ContainerStatus{ContainerID: "a", State: watchtest.Runs}
	deleted := func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: time.Now()} }
	asEvicted := func(pod *corev1.Pod) { pod.Status.Phase, pod.Status.Reason = corev1.PodFailed, "Evicted" }
	for _, c := range []struct {
		name     string
		statuses []corev1.ContainerStatus
		edit     func(*corev1.Pod) // before the last status
		want     string
	}{
		{"evicted", []corev1.ContainerStatus{one, {RestartCount: 1, State: unknown, LastTerminationState: unknown}}, asEvicted, "a0"},
		{"evicted before it was seen", []corev1.ContainerStatus{{RestartCount: 1, State: unknown, LastTerminationState: unknown}}, asEvicted, "0"},
		{"evicted, then deleted", []corev1.ContainerStatus{one, {RestartCount: 1, State: unknown, LastTerminationState: unknown}},
			func(p *corev1.Pod) { asEvicted(p); deleted(p) }, "a0"},
		{"lost sight of", []corev1.ContainerStatus{one, {RestartCount: 1, State: watchtest.Waits, LastTerminationState: unknown}}, nil, "a0"},
		{"lost sight of, then deleted", []corev1.ContainerStatus{one, {RestartCount: 1, State: watchtest.Waits, LastTerminationState: unknown},
			{RestartCount: 1, State: unknown, LastTerminationState: unknown}}, deleted, "a0"},
		{"lost sight of while it was deleted", []corev1.ContainerStatus{one, {State: watchtest.Waits, LastTerminationState: unknown}}, deleted, "a0"},
		{"deleted, and the last one was never seen", []corev1.ContainerStatus{one, {RestartCount: 1, State: watchtest.Waits, LastTerminationState: unknown}}, deleted, "a0 1"},
		{"the runtime's state is unknown", []corev1.ContainerStatus{one, {ContainerID: "a", RestartCount: 1, State: unknown}}, nil, "a0"},
		{"all containers are restarted", []corev1.ContainerStatus{one, {RestartCount: 1, State: watchtest.Waits, LastTerminationState: unknown},
			{ContainerID: "b", RestartCount: 1, State: watchtest.Runs, LastTerminationState: unknown}}, nil, "a0 b1"},
		{"made anew with its sandbox", []corev1.ContainerStatus{one, {State: watchtest.Waits}}, nil, "a0"},
		{"the second goes, the first is still told of", []corev1.ContainerStatus{
			{ContainerID: "b", RestartCount: 1, State: watchtest.Runs, LastTerminationState: watchtest.Ended("a")},
			{RestartCount: 1, State: watchtest.Waits, LastTerminationState: watchtest.Ended("a")}}, nil, "a0 b1"},
		{"one was missed", []corev1.ContainerStatus{one, {ContainerID: "c", RestartCount: 2, State: watchtest.Runs}}, nil, "a0 1 c2"},
		{"never started", []corev1.ContainerStatus{{State: watchtest.Waits}}, nil, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(nil)
			for n, status := range c.statuses {
				p.last = watchtest.PodOf(status)
				if n == len(c.statuses)-1 && c.edit != nil {
					c.edit(p.last)
				}
				p.note(nil)
				for _, i := range p.instances() {
					p.logs[i.ContainerID] = watchtest.HeldLogOf(t, i)
					p.records[i.ContainerID] = archive.InstanceRecord{Instance: i, Verdict: archive.Complete}
				}
			}
			p.settled, p.gone = true, true
			var got []string
			for _, r := range p.manifest(nil).Instances {
				got = append(got, fmt.Sprint(r.ContainerID, r.Restart))
			}
			if got := fmt.Sprint(got); got != "["+c.want+"]" {
				t.Errorf("got instances %s, want [%s]", got, c.want)
			}
		})
	}
}
