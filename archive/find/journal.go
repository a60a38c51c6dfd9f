package find

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// InJournals finds the target's pods in the journals of some replicas.
func (r *Finder) InJournals(ctx context.Context, t archive.Target, of func(replica string) bool) (map[archive.PodUID]*FoundPod, error) {
	replicas, err := journal.Replicas(ctx, r.Cfg.Store)
	if err != nil {
		return nil, err
	}
	all := map[archive.PodUID]*JournaledPod{}
	listed := map[archive.Key]bool{}
	for _, replica := range replicas {
		if !of(replica) {
			continue
		}
		if err := r.readJournal(ctx, t, replica, all, listed); err != nil {
			return nil, fmt.Errorf("read journal of %s: %w", replica, err)
		}
	}
	r.journals.keep(listed, of)
	return r.textPods(ctx, t, slices.Collect(maps.Values(all)))
}

// textPods gives the pods with their drafts, which are read some at once.
func (r *Finder) textPods(ctx context.Context, t archive.Target, all []*JournaledPod) (map[archive.PodUID]*FoundPod, error) {
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

// JournaledPod is a pod as journals hold it.
type JournaledPod struct {
	ref     archive.PodRef
	replica string // whose word counts
	since   int64
	draft   *keyPart
	drafted int64 // since when its writer's word counts
	logs    map[archive.LogID][]*journal.Chain
	objects []archive.Key
}

type keyPart struct {
	key archive.Key
	format.JournalPart
}

func (r *Finder) readJournal(ctx context.Context, t archive.Target, replica string, all map[archive.PodUID]*JournaledPod, listed map[archive.Key]bool) error {
	keys, indexes, err := r.journalIndexes(ctx, replica)
	if err != nil {
		return err
	}
	for n, x := range indexes {
		listed[keys[n]] = true
		if x != nil {
			r.plan(t, replica, keys[n], x, all)
		}
	}
	return nil
}

// journalIndexes gives the objects of a journal with their indexes, nil for one that is damaged: what only it held
// shows as a hole. An object that goes between the listing and the reading is garbage, and what it held is in a newer
// one that the listing may not have: it is listed again.
func (r *Finder) journalIndexes(ctx context.Context, replica string) (keys []archive.Key, indexes []*format.JournalIndex, err error) {
	const tries = 5
	for try := 1; ; try++ {
		if keys, err = r.journalKeys(ctx, replica); err != nil {
			return nil, nil, err
		}
		indexes = make([]*format.JournalIndex, len(keys))
		gone := make([]bool, len(keys))
		err = patient.Parallel(ctx, len(keys), func(ctx context.Context, n int) (err error) {
			indexes[n], err = r.journalIndex(ctx, keys[n])
			if gone[n] = errors.Is(err, archive.ErrNotFound); gone[n] || errors.Is(err, archive.ErrDamaged) {
				err = nil
			}
			return err
		})
		if err != nil || try == tries || !slices.Contains(gone, true) {
			return keys, indexes, err
		}
	}
}

func (r *Finder) journalKeys(ctx context.Context, replica string) (keys []archive.Key, err error) {
	for object, err := range r.Cfg.Store.List(ctx, archive.ReplicaPrefix(replica), "") {
		if err != nil {
			return nil, err
		}
		if archive.SequenceOf(object.Key) >= 0 {
			keys = append(keys, object.Key)
		}
	}
	return keys, nil
}

// journalIndex gives an index.
func (r *Finder) journalIndex(ctx context.Context, key archive.Key) (*format.JournalIndex, error) {
	if x := r.journals.get(key); x != nil {
		return x, nil
	}
	x, err := r.Cfg.Codec.ReadJournalIndex(ctx, r.Cfg.Store, key)
	if err == nil {
		r.journals.put(key, x)
	}
	return x, err
}

// plan takes in what an object holds of the target's pods.
func (r *Finder) plan(t archive.Target, replica string, key archive.Key, x *format.JournalIndex, all map[archive.PodUID]*JournaledPod) {
	for i := range x.Pods {
		j := &x.Pods[i]
		if t.Workload == "" && !t.Matches(j.PodRef, nil) || t.Namespace != "" && j.Namespace != t.Namespace {
			continue
		}
		p := all[j.PodUID]
		if p == nil {
			p = &JournaledPod{ref: j.PodRef, logs: map[archive.LogID][]*journal.Chain{}}
			all[j.PodUID] = p
		}
		if x.Since >= p.since {
			p.replica, p.since = replica, x.Since
		}
		if j.Draft != nil && x.Since >= p.drafted {
			p.draft, p.drafted = &keyPart{key, *j.Draft}, x.Since
		}
		for k := range j.Logs {
			e := &j.Logs[k]
			p.objects = append(p.objects, key)
			i := e.Instance(j.PodRef)
			p.chain(x.Life, e.Copy, i).Add(len(p.objects)-1, x.Since, e)
		}
	}
}

func (p *JournaledPod) chain(life string, n int64, i archive.Instance) *journal.Chain {
	id := i.ID()
	for _, c := range p.logs[id] {
		if c.Life == life && c.Copy == n && c.Instance == i {
			return c
		}
	}
	c := &journal.Chain{Life: life, Copy: n, Instance: i}
	p.logs[id] = append(p.logs[id], c)
	return c
}

// textDraft gives the newest draft of a pod, or one that is made of what the logs say.
func (r *Finder) textDraft(ctx context.Context, p *JournaledPod) (*archive.Manifest, error) {
	m := &archive.Manifest{Version: archive.FormatVersion, Pod: archive.PodSummary{PodRef: p.ref, Phase: "Unknown"}}
	if p.draft == nil {
		return m, nil
	}
	if known := r.journals.draft(*p.draft); known != nil {
		return known, nil
	}
	var draft archive.Manifest
	err := r.journalDocument(ctx, p.draft, &draft)
	switch {
	case errors.Is(err, archive.ErrDamaged), errors.Is(err, archive.ErrNotFound):
		return m, nil
	case err != nil:
		return nil, err
	case draft.Pod.PodUID != p.ref.PodUID:
		return m, nil
	}
	r.journals.putDraft(*p.draft, &draft)
	return &draft, nil
}

// textRecord gives the record of a log whose object is in the store, while its pod is not sealed.
func (r *Finder) textRecord(ctx context.Context, at keyPart) (archive.InstanceRecord, error) {
	record, ok := r.journals.record(at)
	if ok {
		return record, nil
	}
	err := r.journalDocument(ctx, &at, &record)
	if err == nil {
		r.journals.putRecord(at, record)
	}
	return record, err
}

func (r *Finder) journalDocument(ctx context.Context, at *keyPart, into any) error {
	b, _, err := format.Fetch(ctx, r.Cfg.Store, at.key, archive.Range{Offset: at.Offset, Length: at.Size})
	if err != nil {
		return fmt.Errorf("read document in %s: %w", at.key, err)
	}
	text, err := r.Cfg.Codec.ReadDocument(b, format.MagicDocument, "EPLD", 0)
	if err != nil {
		return fmt.Errorf("read document in %s: %w", at.key, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read document in %s: %w: %w", at.key, err, archive.ErrDamaged)
	}
	return nil
}

// textFound joins a pod's draft with its logs.
func (r *Finder) textFound(ctx context.Context, p *JournaledPod, m *archive.Manifest) *FoundPod {
	f := &FoundPod{Manifest: m, Replica: p.replica, Journal: map[archive.LogID]*Journaled{}}
	for id, chains := range p.logs {
		best := journal.BestChain(chains)
		n := slices.IndexFunc(m.Instances, func(r archive.InstanceRecord) bool { return r.ID() == id })
		if n < 0 {
			n = len(m.Instances)
			m.Instances = append(m.Instances, archive.InstanceRecord{Instance: best.Instance})
		}
		if best.Record != nil {
			at := keyPart{p.objects[best.Record.Object], best.Record.JournalPart}
			if sealed, err := r.textRecord(ctx, at); err == nil && sealed.Instance == best.Instance {
				state := m.Instances[n].State
				m.Instances[n] = sealed
				m.Instances[n].State = state
				continue
			}
		}
		f.Journal[id] = r.text(p, best)
	}
	return f
}
