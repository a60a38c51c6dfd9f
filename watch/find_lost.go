package watch

import (
	"context"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// findLost looks in the store for logs that nobody here holds. A replica may have sealed one and died, with its disk,
// before the journal said so; or before this one could look at its journal, so that it gave the number of that instance
// to another one, whose log now stands beside the other's.
func (w *Watcher) findLost(ctx context.Context, p *pod, m *archive.Manifest) error {
	w.mu.Lock()
	unknown := func(r archive.InstanceRecord) bool {
		_, known := p.records[r.ContainerID]
		return r.Verdict == archive.Lost && !known
	}
	doubtful := func(r archive.InstanceRecord) bool {
		return unknown(r) || r.Log != nil && r.Log.Key != r.LogKey()
	}
	// Of a pod that only the spool knows there may be instances that no draft names.
	look := p.draft != nil || slices.ContainsFunc(m.Instances, doubtful)
	ref := p.ref()
	w.mu.Unlock()
	if !look {
		return nil
	}
	found, err := w.parts.Sealer.Find(ctx, ref)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range found {
		if _, known := p.records[r.ContainerID]; known {
			continue
		}
		r.State = p.states[r.ContainerID]
		have := m.OfContainer(r.ContainerID)
		if have == nil {
			n := slices.IndexFunc(m.Instances, func(o archive.InstanceRecord) bool { return o.ID() == r.ID() && o.ContainerID == "" })
			if n >= 0 {
				have = &m.Instances[n]
			}
		}
		if have == nil {
			insert(m, r)
		} else if unknown(*have) {
			r.Restart = have.Restart
			*have = r
		}
	}
	pods.SortRecords(m.Instances)
	m.Diagnosis = pods.Diagnose(m)
	return nil
}

// insert adds the record of an instance. Where another one of its container has its number, that one and those behind
// it come after it: it had the number first, from a replica that knew of both.
func insert(m *archive.Manifest, r archive.InstanceRecord) {
	if m.Instance(r.ID()) != nil {
		for n := range m.Instances {
			if o := &m.Instances[n]; o.Container == r.Container && o.Restart >= r.Restart {
				o.Restart++
			}
		}
	}
	m.Instances = append(m.Instances, r)
}

// insertUnrecorded adds a record for each of the instances that has none, though another one may have one under its
// number: nothing holds its log here.
func insertUnrecorded(m *archive.Manifest, known []archive.Instance) {
	for _, i := range known {
		if m.OfContainer(i.ContainerID) != nil {
			continue
		}
		insert(m, archive.InstanceRecord{
			Instance: i, Verdict: archive.Lost, Reason: "no daemon that could say so holds the log",
			Gaps: []archive.Gap{{Reason: archive.GapRestart}},
		})
	}
}
