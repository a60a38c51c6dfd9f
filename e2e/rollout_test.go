//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
)

const (
	rolloutJobs = 10 // of one pod each
	rolloutLogs = 5  // of each pod, one for each of its containers
)

// TestRollingUpdate has helm replace the daemon by another one of the same version while fifty logs are written at 200
// lines a second each, or are about to be. No line may be missing, and none twice.
func TestRollingUpdate(t *testing.T) {
	s := own(t, stage.Config{Namespace: "epilogue-e2e-rollout"})
	begun := time.Now()
	phase := func(name string) { t.Logf("%s after %s", name, time.Since(begun).Round(time.Second)) }
	var plays []*play
	for i := range rolloutJobs {
		job := s.Job(fmt.Sprintf("many-%d", i), "sleep 25s then until -rate 200 -tick 100ms")
		for n := 1; n < rolloutLogs; n++ {
			c := job.Spec.Template.Spec.Containers[0]
			c.Name = fmt.Sprintf("main-%d", n)
			job.Spec.Template.Spec.Containers = append(job.Spec.Template.Spec.Containers, c)
		}
		plays = append(plays, start(t, s, job, 5*minute))
	}
	for _, p := range plays {
		p.pod(allRunning)
	}
	last := plays[len(plays)-1]
	_, n := last.talking(400)
	phase("fifty logs are written")
	if err := s.Upgrade(last.ctx, "podAnnotations.rollout=again"); err != nil {
		t.Fatal(err)
	}
	phase("updated")
	last.talking(n + 1000)
	for _, p := range plays {
		p.end()
	}
	whole := 0
	for _, p := range plays {
		whole += p.eachLog()
	}
	phase(fmt.Sprintf("%d of %d logs were not rotated, and are whole by their SHA-256", whole, rolloutJobs*rolloutLogs))
}

func allRunning(p *corev1.Pod) bool {
	return allAre(p, func(s corev1.ContainerState) bool { return s.Running != nil })
}

// allEnded: a pod whose deadline has passed is over before its containers are.
func allEnded(p *corev1.Pod) bool {
	return allAre(p, func(s corev1.ContainerState) bool { return s.Terminated != nil })
}

func allAre(p *corev1.Pod, so func(corev1.ContainerState) bool) bool {
	n := 0
	for _, c := range p.Status.ContainerStatuses {
		if so(c.State) {
			n++
		}
	}
	return n == rolloutLogs
}

// end ends the pod by a deadline of its own: its containers tell what they wrote, and their logs stay readable.
func (p *play) end() {
	p.Helper()
	pod := p.pod(stage.Running)
	deadline := []byte(`{"spec":{"activeDeadlineSeconds":1}}`)
	if _, err := p.Client.CoreV1().Pods(p.Jobs).Patch(p.ctx, pod.Name, types.MergePatchType, deadline, metav1.PatchOptions{}); err != nil {
		p.Fatal(err)
	}
}

// eachLog holds every container's log against what it wrote, and returns the number of those that were not seen to be
// rotated: they have to be the same to the byte. Of the others a rotation may have cost what a gap with just that
// reason tells of, or a line at its seam.
func (p *play) eachLog() (whole int) {
	p.Helper()
	pod, m := p.pod(allEnded), p.manifest()
	for _, c := range pod.Status.ContainerStatuses {
		r := p.record(m, c.Name, 0)
		if r.Log != nil && r.Seams+int64(len(r.Gaps)) > 0 {
			if slices.ContainsFunc(r.Gaps, func(g archive.Gap) bool { return !fair(g) }) {
				p.Errorf("%s: got gaps %+v, want none but by a rotation", c.Name, r.Gaps)
			}
			p.accountOf(m, c.Name, c.State.Terminated)
			continue
		}
		p.whole(m, c.Name, 0, c.State.Terminated)
		whole++
	}
	return whole
}

// fair is a gap that the update has no part in: by a rotation, or before the first line, where the kubelet told of a
// container only when it had started the other four of its pod.
func fair(g archive.Gap) bool {
	return g.Reason == archive.GapRotated || g.Reason == archive.GapLateStart && g.Unproven && g.AfterLine == 0
}
