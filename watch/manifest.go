package watch

import (
	"fmt"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// manifest returns the pod's manifest when everything of it is sealed, else nil. Called with Watcher.mu held.
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
				copied.Instances = append(copied.Instances, pods.StillNotStarted(p.draft, r))
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
		m.Instances = append(m.Instances, pods.NotRun(r))
	}
	if p.draft == nil {
		m.Instances = append(m.Instances, p.missed()...)
	}
	insertUnrecorded(m, p.mentioned())
	pods.SortRecords(m.Instances)
	m.Diagnosis = pods.Diagnose(m)
	return m
}

// mentioned returns the instances that are known, in order, or those that the draft of a pod that is gone names.
func (p *pod) mentioned() []archive.Instance {
	if p.draft == nil {
		return p.known()
	}
	var list []archive.Instance
	for _, r := range p.draft.Instances {
		if r.ContainerID != "" {
			list = append(list, r.Instance)
		}
	}
	slices.SortFunc(list, pods.Compare)
	return list
}

// mostMissed bounds the records of restarts that nobody saw.
const mostMissed = 100

// missed returns a record for every restart of a container that came and went without being seen: the kubelet keeps the
// log of one dead instance and removes the one before it within a second.
func (p *pod) missed() []archive.InstanceRecord {
	var records []archive.InstanceRecord
	for _, c := range pods.Containers(p.last) {
		if c.Status == nil {
			continue
		}
		last := p.lastNumber(c)
		for restart := max(0, last-mostMissed); restart <= last; restart++ {
			if p.has(c.Spec.Name, restart) {
				continue
			}
			r := archive.InstanceRecord{
				Instance: archive.Instance{PodRef: p.named, Container: c.Spec.Name, Kind: c.Kind, Restart: restart},
				Verdict:  archive.Lost,
				Reason:   "the instance came and went before it was seen, and the kubelet keeps only the last one",
				Gaps:     []archive.Gap{{Reason: archive.GapReplaced}},
			}
			if known := p.numbers.at(c.Spec.Name, restart); known != nil {
				r.ContainerID = known.ContainerID
				r.State = p.states[r.ContainerID]
			}
			records = append(records, r)
		}
	}
	return records
}

// unheld returns a record for each instance of a pod that is gone which the draft names, or names a successor of, and
// of which neither the spool nor a journal has a log.
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

// postMortem is postMortem of a pod as it is kept.
func (p *pod) postMortem(labels []string) *archive.Manifest {
	m := pods.PostMortem(p.last, p.job, labels)
	m.Pod.PodRef, m.Pod.Alone = p.named, p.alone
	return m
}
