package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// manifest gives the pod's manifest when everything of it is sealed, else nil. Called with Watcher.mu held.
func (p *pod) manifest(labels []string) *archive.Manifest {
	if len(p.records) < len(p.logs) {
		return nil
	}
	var m *archive.Manifest
	switch {
	case p.draft != nil:
		copied := *p.draft
		copied.Instances = nil
		for _, r := range p.draft.Instances {
			if r.Verdict == archive.NeverStarted {
				copied.Instances = append(copied.Instances, stillNotStarted(p.draft, r))
			}
		}
		copied.Instances = append(copied.Instances, p.unheld()...)
		m = &copied
	case p.ready():
		m = p.postMortem(labels)
		m.Instances = p.neverStarted()
	default:
		return nil
	}
	for id, r := range p.records {
		r.State = p.states[id]
		m.Instances = append(m.Instances, notRun(r))
	}
	if p.draft == nil {
		m.Instances = append(m.Instances, p.missed()...)
	}
	sortRecords(m.Instances)
	m.Diagnosis = diagnose(m)
	return m
}

// notRun turns the record of a container that was made but never ran into one that says so: the kubelet gives it a container
// ID and an exit, but no start.
func notRun(r archive.InstanceRecord) archive.InstanceRecord {
	s := r.State
	if s.ExitCode == nil || !s.StartedAt.IsZero() || r.Log != nil || s.Reason != "StartError" && s.Reason != "ContainerCannotRun" {
		return r
	}
	r.Verdict, r.Gaps = archive.NeverStarted, nil
	r.Reason = s.Reason + ": " + s.Message
	return r
}

// mostMissed bounds the records of restarts that nobody saw.
const mostMissed = 100

// missed gives a record for every restart of a container that came and went without being seen: the kubelet keeps the
// log of one dead instance and removes the one before it within a second.
func (p *pod) missed() []archive.InstanceRecord {
	var records []archive.InstanceRecord
	for _, c := range containers(p.last) {
		if c.status == nil {
			continue
		}
		last := p.lastNumber(c)
		for restart := max(0, last-mostMissed); restart <= last; restart++ {
			if p.has(c.spec.Name, restart) {
				continue
			}
			r := archive.InstanceRecord{
				Instance: archive.Instance{PodRef: p.named, Container: c.spec.Name, Kind: c.kind, Restart: restart},
				Verdict:  archive.Lost,
				Reason:   "the instance came and went before it was seen, and the kubelet keeps only the last one",
				Gaps:     []archive.Gap{{Reason: archive.GapReplaced}},
			}
			if known := p.numbers.at(c.spec.Name, restart); known != nil {
				r.ContainerID = known.ContainerID
				r.State = p.states[r.ContainerID]
			}
			records = append(records, r)
		}
	}
	return records
}

// stillNotStarted: a container that had not started when the pod was last seen may have started after, unless the pod was over.
func stillNotStarted(draft *archive.Manifest, r archive.InstanceRecord) archive.InstanceRecord {
	if phase := corev1.PodPhase(draft.Pod.Phase); phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		return r
	}
	r.Verdict, r.Reason = archive.Lost, "the pod went away while no daemon watched; when it was last seen the container had not started: "+r.Reason
	r.Gaps = []archive.Gap{{Reason: archive.GapRestart, Unproven: true}}
	return r
}

// unheld gives a record for each instance of a pod that is gone which the draft names, or names a successor of, and of which
// neither the spool nor a journal has a log.
func (p *pod) unheld() []archive.InstanceRecord {
	named, last := map[string]archive.InstanceRecord{}, map[string]archive.InstanceRecord{}
	at := func(container string, restart int) string { return fmt.Sprintf("%s.%d", container, restart) }
	for _, r := range p.draft.Instances {
		if r.ContainerID == "" {
			continue
		}
		named[at(r.Container, r.Restart)] = r
		if had, ok := last[r.Container]; !ok || r.Restart > had.Restart {
			last[r.Container] = r
		}
	}
	var records []archive.InstanceRecord
	for container, newest := range last {
		for restart := max(0, newest.Restart-mostMissed); restart <= newest.Restart; restart++ {
			if p.has(container, restart) {
				continue
			}
			r, ok := named[at(container, restart)]
			if !ok {
				r = archive.InstanceRecord{Instance: newest.Instance}
				r.Restart, r.ContainerID = restart, ""
			}
			r.Verdict, r.Log = archive.Lost, nil
			r.Reason = "the pod went away while no daemon watched, and no journal holds the log"
			r.Gaps = []archive.Gap{{Reason: archive.GapRestart}}
			records = append(records, r)
		}
	}
	return records
}

func (p *pod) has(container string, restart int) bool {
	for _, log := range p.logs {
		if i := log.Instance(); i.Container == container && i.Restart == restart {
			return true
		}
	}
	return false
}

func sortRecords(records []archive.InstanceRecord) {
	slices.SortFunc(records, func(a, b archive.InstanceRecord) int { return compareInstances(a.Instance, b.Instance) })
}

// compareInstances puts init containers first, as they run, then goes by name and restart.
func compareInstances(a, b archive.Instance) int {
	order := map[archive.ContainerKind]int{archive.KindInit: 0, archive.KindSidecar: 1, archive.KindMain: 2, archive.KindEphemeral: 3}
	return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), cmp.Compare(a.Container, b.Container), cmp.Compare(a.Restart, b.Restart))
}

// diagnose says in one line of plain words what became of the pod.
func diagnose(m *archive.Manifest) string {
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

// endedAfterMain: it is a sidecar, and those are ended when the pod's work is done. How they take it says nothing of that.
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

// failureOf tells how an instance failed, "" where it did not.
func failureOf(m *archive.Manifest, r *archive.InstanceRecord) string {
	s := r.State
	switch {
	case m.Pod.Reason == evicted:
		return sentence(m.Pod.Reason, m.Pod.Message)
	case r.Verdict == archive.NeverStarted && s.Reason != "InitContainerFailed" && s.Reason != m.Pod.Reason:
		return fmt.Sprintf("container %s never started: %s", r.Container, firstLine(r.Reason)) // which is why it was given a deadline
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
