package find

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// journaled finds the target's pods in the journals of other replicas. own: in that of this process, too, which holds
// what its spool holds and what it has handed over.
func (r *Finder) journaled(ctx context.Context, t archive.Target, own bool) (map[archive.PodUID]*FoundPod, error) {
	return r.InJournals(ctx, t, func(replica string) bool { return own || r.Cfg.Spool == nil || replica != r.Cfg.Replica })
}

// InJournals finds the target's pods in the journals of some replicas. An index that is damaged is passed over: what
// only that object held shows as a hole.
func (r *Finder) InJournals(ctx context.Context, t archive.Target, of func(replica string) bool) (map[archive.PodUID]*FoundPod, error) {
	replicas, err := journal.Replicas(ctx, r.Cfg.Store)
	if err != nil {
		return nil, err
	}
	replicas = slices.DeleteFunc(replicas, func(replica string) bool { return !of(replica) })
	var view *journal.View
	err = journal.Consistently(func(final bool) error {
		view = &journal.View{Index: r.journalIndex, Wants: func(pod archive.PodRef) bool {
			return t.Workload != "" && (t.Namespace == "" || pod.Namespace == t.Namespace) || t.Workload == "" && t.Matches(pod, nil)
		}}
		return view.Read(ctx, r.Cfg.Store, replicas, final)
	})
	if err != nil {
		return nil, err
	}
	r.journals.keep(view.Keys, of)
	return r.textPods(ctx, t, slices.Collect(maps.Values(view.Pods)))
}

// textPods returns the pods with their drafts, which are read some at once.
func (r *Finder) textPods(ctx context.Context, t archive.Target, all []*journal.Pod) (map[archive.PodUID]*FoundPod, error) {
	pods := map[archive.PodUID]*FoundPod{}
	read := make([]*FoundPod, len(all))
	err := patient.Parallel(ctx, len(all), func(ctx context.Context, i int) error {
		m, err := r.textDraft(ctx, all[i])
		if err == nil && (t.Workload == "" || slices.Contains(m.Workloads, t.Workload)) {
			read[i] = r.textFound(ctx, all[i], m)
		}
		return err
	})
	for _, p := range read {
		if p != nil {
			pods[p.Pod.PodUID] = p
		}
	}
	return pods, err
}

func (r *Finder) journalIndex(ctx context.Context, key archive.Key) (*format.JournalIndex, error) {
	if x := r.journals.get(key); x != nil {
		return x, nil
	}
	x, err := r.Cfg.Codec.ReadJournalIndex(ctx, r.Cfg.Store, key)
	if errors.Is(err, archive.ErrDamaged) {
		return nil, nil
	}
	if err == nil {
		r.journals.put(key, x)
	}
	return x, err
}

// textDraft returns the newest draft of a pod, or one that is made of what the logs say.
func (r *Finder) textDraft(ctx context.Context, p *journal.Pod) (*archive.Manifest, error) {
	drafts := p.Drafts()
	if len(drafts) == 0 {
		return archive.UnknownPod(p.PodRef), nil
	}
	newest := drafts[0]
	if known, ok := r.journals.drafts.Get(newest); ok {
		return archive.OwnInstances(known), nil
	}
	var draft archive.Manifest
	_, err := journal.Document(ctx, r.Cfg.Store, r.Cfg.Codec, newest, &draft)
	switch {
	case errors.Is(err, archive.ErrDamaged), errors.Is(err, archive.ErrNotFound), err == nil && draft.Pod.PodUID != p.PodUID:
		return archive.UnknownPod(p.PodRef), nil
	case err != nil:
		return nil, err
	}
	r.journals.drafts.Put(newest, &draft, 1)
	return archive.OwnInstances(&draft), nil
}

// textRecord returns the record of a log whose object is in the store, while its pod is not sealed.
func (r *Finder) textRecord(ctx context.Context, at journal.Place) (archive.InstanceRecord, error) {
	record, ok := r.journals.records.Get(at)
	if ok {
		return record, nil
	}
	_, err := journal.Document(ctx, r.Cfg.Store, r.Cfg.Codec, at, &record)
	if err == nil {
		r.journals.records.Put(at, record, 1)
	}
	return record, err
}

// textFound joins a pod's draft with its logs.
func (r *Finder) textFound(ctx context.Context, p *journal.Pod, m *archive.Manifest) *FoundPod {
	f := &FoundPod{Manifest: m, Replica: p.Replica, Journal: map[archive.LogID]*Journaled{}}
	for id, best := range p.Logs() {
		known := m.Instance(id)
		if known == nil {
			m.Instances = append(m.Instances, archive.InstanceRecord{Instance: best.Instance})
			known = &m.Instances[len(m.Instances)-1]
		}
		if best.Record != nil {
			if sealed, err := r.textRecord(ctx, *best.Record); err == nil && sealed.Instance == best.Instance {
				sealed.State = known.State
				*known = sealed
				continue
			}
		}
		f.Journal[id] = r.text(p, best)
	}
	return f
}
