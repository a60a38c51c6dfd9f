package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// journaled finds the target's pods in the journals of other replicas. own: in that of this process, too, which holds
// what its spool holds and what it has handed over.
func (r *Finder) journaled(ctx context.Context, t Target, own bool) (map[PodUID]*foundPod, error) {
	return r.inJournals(ctx, t, func(replica string) bool { return own || r.cfg.Spool == nil || replica != r.cfg.Replica })
}

// inJournals finds the target's pods in the journals of some replicas.
func (r *Finder) inJournals(ctx context.Context, t Target, of func(replica string) bool) (map[PodUID]*foundPod, error) {
	replicas, err := journalReplicas(ctx, r.cfg.Store)
	if err != nil {
		return nil, err
	}
	all := map[PodUID]*textPod{}
	listed := map[Key]bool{}
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
func (r *Finder) textPods(ctx context.Context, t Target, all []*textPod) (map[PodUID]*foundPod, error) {
	pods := map[PodUID]*foundPod{}
	for some := range slices.Chunk(all, atOnce) {
		read := make([]*foundPod, len(some))
		err := inParallel(len(some), func(i int) error {
			m, err := r.textDraft(ctx, some[i])
			if err == nil && (t.Workload == "" || slices.Contains(m.Workloads, t.Workload)) {
				read[i] = r.textFound(ctx, some[i], m)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range read {
			if p != nil {
				pods[p.Pod.PodUID] = p
			}
		}
	}
	return pods, nil
}

// textPod is a pod as journals hold it.
type textPod struct {
	ref     PodRef
	replica string // whose word counts
	since   int64
	draft   *keyPart
	drafted int64 // since when its writer's word counts
	logs    map[LogID][]*chain
	objects []Key
}

type keyPart struct {
	key Key
	JournalPart
}

func (r *Finder) readJournal(ctx context.Context, t Target, replica string, all map[PodUID]*textPod, listed map[Key]bool) error {
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
func (r *Finder) journalIndexes(ctx context.Context, replica string) (keys []Key, indexes []*JournalIndex, err error) {
	const tries = 5
	for try := 1; ; try++ {
		if keys, err = r.journalKeys(ctx, replica); err != nil {
			return nil, nil, err
		}
		indexes = make([]*JournalIndex, len(keys))
		gone := make([]bool, len(keys))
		for start := 0; start < len(keys) && err == nil; start += atOnce {
			err = inParallel(min(atOnce, len(keys)-start), func(i int) (err error) {
				n := start + i
				indexes[n], err = r.journalIndex(ctx, keys[n])
				if gone[n] = errors.Is(err, ErrNotFound); gone[n] || errors.Is(err, ErrDamaged) {
					err = nil
				}
				return err
			})
		}
		if err != nil || try == tries || !slices.Contains(gone, true) {
			return keys, indexes, err
		}
	}
}

func (r *Finder) journalKeys(ctx context.Context, replica string) (keys []Key, err error) {
	for object, err := range r.cfg.Store.List(ctx, replicaPrefix(replica), "") {
		if err != nil {
			return nil, err
		}
		if sequenceOf(object.Key) >= 0 {
			keys = append(keys, object.Key)
		}
	}
	return keys, nil
}

// journalIndex gives an index.
func (r *Finder) journalIndex(ctx context.Context, key Key) (*JournalIndex, error) {
	if x := r.journals.get(key); x != nil {
		return x, nil
	}
	x, err := r.cfg.Codec.ReadJournalIndex(ctx, r.cfg.Store, key)
	if err == nil {
		r.journals.put(key, x)
	}
	return x, err
}

// plan takes in what an object holds of the target's pods.
func (r *Finder) plan(t Target, replica string, key Key, x *JournalIndex, all map[PodUID]*textPod) {
	for i := range x.Pods {
		j := &x.Pods[i]
		if t.Workload == "" && !t.matches(j.PodRef, nil) || t.Namespace != "" && j.Namespace != t.Namespace {
			continue
		}
		p := all[j.PodUID]
		if p == nil {
			p = &textPod{ref: j.PodRef, logs: map[LogID][]*chain{}}
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
			i := e.instance(j.PodRef)
			p.chain(x.Life, e.Copy, i).add(len(p.objects)-1, x.Since, e)
		}
	}
}

func (p *textPod) chain(life string, n int64, i Instance) *chain {
	id := i.ID()
	for _, c := range p.logs[id] {
		if c.life == life && c.copy == n && c.instance == i {
			return c
		}
	}
	c := &chain{life: life, copy: n, instance: i}
	p.logs[id] = append(p.logs[id], c)
	return c
}

// textDraft gives the newest draft of a pod, or one that is made of what the logs say.
func (r *Finder) textDraft(ctx context.Context, p *textPod) (*Manifest, error) {
	m := &Manifest{Version: formatVersion, Pod: PodSummary{PodRef: p.ref, Phase: "Unknown"}}
	if p.draft == nil {
		return m, nil
	}
	if known := r.journals.draft(*p.draft); known != nil {
		return known, nil
	}
	var draft Manifest
	err := r.journalDocument(ctx, p.draft, &draft)
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNotFound):
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
func (r *Finder) textRecord(ctx context.Context, at keyPart) (InstanceRecord, error) {
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
	b, _, err := fetch(ctx, r.cfg.Store, at.key, Range{Offset: at.Offset, Length: at.Size})
	if err != nil {
		return fmt.Errorf("read document in %s: %w", at.key, err)
	}
	text, err := r.cfg.Codec.readDocument(b, magicDocument, "EPLD", 0)
	if err != nil {
		return fmt.Errorf("read document in %s: %w", at.key, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read document in %s: %w: %w", at.key, err, ErrDamaged)
	}
	return nil
}

// textFound joins a pod's draft with its logs.
func (r *Finder) textFound(ctx context.Context, p *textPod, m *Manifest) *foundPod {
	f := &foundPod{Manifest: m, replica: p.replica, journal: map[LogID]*journalText{}}
	for id, chains := range p.logs {
		best := bestChain(chains)
		n := slices.IndexFunc(m.Instances, func(r InstanceRecord) bool { return r.ID() == id })
		if n < 0 {
			n = len(m.Instances)
			m.Instances = append(m.Instances, InstanceRecord{Instance: best.instance})
		}
		if best.record != nil {
			at := keyPart{p.objects[best.record.object], best.record.JournalPart}
			if sealed, err := r.textRecord(ctx, at); err == nil && sealed.Instance == best.instance {
				state := m.Instances[n].State
				m.Instances[n] = sealed
				m.Instances[n].State = state
				continue
			}
		}
		f.journal[id] = r.text(p, best)
	}
	return f
}
