package pods

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// Diagnose returns in one line of plain words what became of the pod.
func Diagnose(m *archive.Manifest) string {
	if corev1.PodPhase(m.Pod.Phase) == corev1.PodSucceeded {
		return "succeeded" + after(m.Pod.StartedAt, lastFinish(m)) // whatever its containers did on the way
	}
	for _, kind := range []archive.ContainerKind{archive.KindMain, archive.KindInit, archive.KindSidecar} {
		for n := len(m.Instances) - 1; n >= 0; n-- {
			if r := &m.Instances[n]; r.Kind == kind && !superseded(m, n) && !endedAfterMain(m, r) {
				if text := failureOf(m, r); text != "" {
					return text
				}
			}
		}
	}
	switch {
	case m.Pod.Reason != "":
		return sentence(m.Pod.Reason, m.Pod.Message)
	case !m.Pod.DeletedAt.IsZero():
		return "deleted while " + strings.ToLower(m.Pod.Phase)
	default:
		return strings.ToLower(m.Pod.Phase)
	}
}

// superseded: the container has been started again since.
func superseded(m *archive.Manifest, n int) bool {
	return n+1 < len(m.Instances) && m.Instances[n+1].Container == m.Instances[n].Container
}

// endedAfterMain: it is a sidecar, and those are ended when the pod's work is done. How they take it says nothing of
// that.
func endedAfterMain(m *archive.Manifest, r *archive.InstanceRecord) bool {
	if r.Kind != archive.KindSidecar {
		return false
	}
	ran := false
	for n := range m.Instances {
		o := &m.Instances[n]
		if o.Kind != archive.KindMain || superseded(m, n) {
			continue
		}
		if o.State.FinishedAt.IsZero() || o.State.FinishedAt.After(r.State.FinishedAt) {
			return false
		}
		ran = true
	}
	return ran
}

// failureOf returns how an instance failed, "" where it did not.
func failureOf(m *archive.Manifest, r *archive.InstanceRecord) string {
	s := r.State
	switch {
	case m.Pod.Reason == Evicted:
		return sentence(m.Pod.Reason, m.Pod.Message)
	case r.Verdict == archive.NeverStarted && s.Reason != "InitContainerFailed" && s.Reason != m.Pod.Reason:
		// which is why it was given a deadline
		return fmt.Sprintf("container %s never started: %s", r.Container, firstLine(r.Reason))
	case m.Pod.Reason == "DeadlineExceeded":
		return sentence(m.Pod.Reason, m.Pod.Message)
	case s.ExitCode == nil || *s.ExitCode == 0:
		return ""
	case s.Reason == "OOMKilled":
		text := "container " + r.Container + " was OOMKilled" + after(s.StartedAt, s.FinishedAt)
		if limit := memoryLimit(m, r.Container); limit != "" {
			text += " at a limit of " + limit
		}
		return text
	case *s.ExitCode > 128 && *s.ExitCode <= 128+64 || s.Signal != 0:
		signal := max(s.Signal, *s.ExitCode-128)
		text := fmt.Sprintf("container %s was ended by signal %d%s", r.Container, signal, after(s.StartedAt, s.FinishedAt))
		// The runtime can miss that the kernel ended a container for its memory: then this is the hint that is left.
		if limit := memoryLimit(m, r.Container); limit != "" && signal == 9 {
			text += " at a memory limit of " + limit
		}
		return text
	default:
		return fmt.Sprintf("container %s failed with exit code %d%s", r.Container, *s.ExitCode, after(s.StartedAt, s.FinishedAt))
	}
}

func memoryLimit(m *archive.Manifest, container string) string {
	for _, c := range m.Pod.Containers {
		if c.Name == container {
			return c.Limits["memory"]
		}
	}
	return ""
}

func lastFinish(m *archive.Manifest) time.Time {
	var last time.Time
	for _, r := range m.Instances {
		if r.State.FinishedAt.After(last) {
			last = r.State.FinishedAt
		}
	}
	return last
}

func after(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return ""
	}
	return " after " + to.Sub(from).Round(time.Second).String()
}

func sentence(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + firstLine(message)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}
