package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// journalText is a log as a replica's journal holds it.
type journalText struct {
	reader   *Reader
	instance *Instance
	runs     []textRun
	lines    int64
	bytes    int64 // -1: not known
	ended    bool
	replica  string
}

// textRun is a run of frames in a journal object.
type textRun struct {
	key Key
	JournalFrames
	offset int64 // of its text; -1: not known
	lost   int64 // lines before it that no object holds
}

// journalCache keeps the indexes of journal objects, which never change, as long as the objects are there.
type journalCache struct {
	mu        sync.Mutex
	indexes   map[Key]*JournalIndex // guarded by mu
	entries   int                   // guarded by mu; logs in them
	workloads map[PodUID][]string   // guarded by mu; what drafts say, which is read once
}

// mostCached bounds the logs that cached indexes name: some hundred bytes each.
const mostCached = 100_000

// journaled finds the target's pods in the journals of other replicas.
func (r *Reader) journaled(ctx context.Context, t Target) (map[PodUID]*foundPod, error) {
	replicas, err := journalReplicas(ctx, r.cfg.Store)
	if err != nil {
		return nil, err
	}
	all := map[PodUID]*textPod{}
	listed := map[Key]bool{}
	for _, replica := range replicas {
		if r.cfg.Spool != nil && replica == r.cfg.Replica {
			continue
		}
		if err := r.readJournal(ctx, t, replica, all, listed); err != nil {
			return nil, fmt.Errorf("read journal of %s: %w", replica, err)
		}
	}
	r.journals.keep(listed)
	pods := map[PodUID]*foundPod{}
	for uid, p := range all {
		m, err := r.textDraft(ctx, p)
		if err != nil {
			return nil, err
		}
		if t.Workload != "" && !slices.Contains(m.Workloads, t.Workload) {
			continue
		}
		pods[uid] = r.textFound(ctx, p, m)
	}
	return pods, nil
}

// textPod is a pod as journals hold it.
type textPod struct {
	ref     PodRef
	replica string // the last one that wrote of it
	draft   *keyPart
	logs    map[LogID][]*chain
	objects []Key
}

type keyPart struct {
	key Key
	JournalPart
}

func (r *Reader) readJournal(ctx context.Context, t Target, replica string, all map[PodUID]*textPod, listed map[Key]bool) error {
	var keys []Key
	for object, err := range r.cfg.Store.List(ctx, replicaPrefix(replica), "") {
		if err != nil {
			return err
		}
		if sequenceOf(object.Key) >= 0 {
			keys = append(keys, object.Key)
			listed[object.Key] = true
		}
	}
	indexes := make([]*JournalIndex, len(keys))
	for start := 0; start < len(keys); start += atOnce {
		err := inParallel(min(atOnce, len(keys)-start), func(i int) (err error) {
			indexes[start+i], err = r.journalIndex(ctx, keys[start+i])
			return err
		})
		if err != nil {
			return err
		}
	}
	for n, x := range indexes {
		if x != nil {
			r.plan(t, replica, keys[n], x, all)
		}
	}
	return nil
}

// journalIndex gives an index, nil where the object is gone or its index damaged: what only it held shows as a hole.
func (r *Reader) journalIndex(ctx context.Context, key Key) (*JournalIndex, error) {
	if x := r.journals.get(key); x != nil {
		return x, nil
	}
	x, err := r.cfg.Codec.ReadJournalIndex(ctx, r.cfg.Store, key)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		return nil, nil
	}
	if err == nil {
		r.journals.put(key, x)
	}
	return x, err
}

// plan takes in what an object holds of the target's pods.
func (r *Reader) plan(t Target, replica string, key Key, x *JournalIndex, all map[PodUID]*textPod) {
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
		p.replica = replica
		if j.Draft != nil {
			p.draft = &keyPart{key, *j.Draft}
		}
		for k := range j.Logs {
			e := &j.Logs[k]
			p.objects = append(p.objects, key)
			i := e.instance(j.PodRef)
			p.chain(x.Life, i).add(len(p.objects)-1, e)
		}
	}
}

func (p *textPod) chain(life string, i Instance) *chain {
	id := i.ID()
	for _, c := range p.logs[id] {
		if c.life == life && c.instance == i {
			return c
		}
	}
	c := &chain{life: life, instance: i}
	p.logs[id] = append(p.logs[id], c)
	return c
}

// textDraft gives the newest draft of a pod, or one that is made of what the logs say.
func (r *Reader) textDraft(ctx context.Context, p *textPod) (*Manifest, error) {
	m := &Manifest{Version: formatVersion, Pod: PodSummary{PodRef: p.ref, Phase: "Unknown"}}
	if p.draft == nil {
		return m, nil
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
	return &draft, nil
}

func (r *Reader) journalDocument(ctx context.Context, at *keyPart, into any) error {
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
func (r *Reader) textFound(ctx context.Context, p *textPod, m *Manifest) *foundPod {
	f := &foundPod{Manifest: m, replica: p.replica, journal: map[LogID]*journalText{}}
	for id, chains := range p.logs {
		best := bestChain(chains)
		n := slices.IndexFunc(m.Instances, func(r InstanceRecord) bool { return r.ID() == id })
		if n < 0 {
			n = len(m.Instances)
			m.Instances = append(m.Instances, InstanceRecord{Instance: best.instance})
		}
		if best.record != nil {
			var sealed InstanceRecord
			at := &keyPart{p.objects[best.record.object], best.record.JournalPart}
			if err := r.journalDocument(ctx, at, &sealed); err == nil && sealed.Instance == best.instance {
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

// bestChain is the one that a takeover would take.
func bestChain(chains []*chain) *chain {
	best := chains[0]
	for _, c := range chains[1:] {
		if c.record != nil || best.record == nil && c.held() >= best.held() {
			best = c
		}
	}
	return best
}

func (r *Reader) text(p *textPod, c *chain) *journalText {
	t := &journalText{reader: r, instance: &c.instance, ended: c.ended, replica: p.replica}
	for _, run := range c.runs {
		if run.FirstLine != t.lines {
			t.bytes = -1 // lines are missing, or come twice
		}
		if run.Lines > 0 {
			t.runs = append(t.runs, textRun{p.objects[run.object], run.JournalFrames, t.bytes, max(0, run.FirstLine-t.lines)})
		}
		t.lines = max(t.lines, run.FirstLine+run.Lines)
		if t.bytes >= 0 {
			t.bytes += run.Bytes
		}
	}
	return t
}

func (t *journalText) close() {}

func (t *journalText) sections() []section {
	all := make([]section, len(t.runs))
	for n, run := range t.runs {
		all[n] = section{FirstLine: run.FirstLine, Lines: run.Lines, Offset: run.offset, Bytes: run.Bytes}
	}
	return all
}

func (t *journalText) frames(ctx context.Context, numbers []int) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		for _, n := range numbers {
			if !t.run(ctx, n, yield) {
				return
			}
		}
	}
}

// run gives the frames of one run as they come from the store.
func (t *journalText) run(ctx context.Context, n int, yield func(piece, error) bool) bool {
	run := &t.runs[n]
	if run.lost > 0 {
		err := fmt.Errorf("the journal object that held them is damaged or gone: %w", ErrDamaged)
		if !yield(piece{}, t.damage(run, -1, run.FirstLine-run.lost, run.lost, err)) {
			return false
		}
	}
	body, _, err := open(ctx, t.reader.cfg.Store, run.key, Range{Offset: run.Offset, Length: run.Size})
	if err != nil {
		yield(piece{}, fmt.Errorf("read %s: %w", run.key, err))
		return false
	}
	defer body.Close()
	next, left, offset := run.FirstLine, run.Size, run.offset
	for frame := 0; left > 0; frame++ {
		b, err := readFrameBytes(body, left)
		if err == nil {
			left -= int64(len(b))
			f, h, damaged := t.reader.cfg.Codec.decode(b)
			if err = damaged; err == nil {
				next = h.FirstLine + h.Lines
				if !yield(piece{f, offset}, nil) {
					return false
				}
				if offset >= 0 {
					offset += h.RawSize
				}
				continue
			}
		}
		if !errors.Is(err, ErrDamaged) {
			yield(piece{}, fmt.Errorf("read %s: %w", run.key, err))
			return false
		}
		return yield(piece{}, t.damage(run, frame, next, run.FirstLine+run.Lines-next, err))
	}
	return true
}

func (t *journalText) damage(run *textRun, frame int, after, lines int64, err error) error {
	return &DamageError{Instance: *t.instance, Key: run.key, Frame: frame, AfterLine: after, Lines: lines, Err: err}
}

// journalReplicas gives the names of all whose journals are in the store.
func journalReplicas(ctx context.Context, store Store) ([]string, error) {
	var names []string
	for after := Key(""); ; {
		name := ""
		for object, err := range store.List(ctx, journalPrefix, after) {
			if err != nil {
				return nil, err
			}
			name, _, _ = strings.Cut(strings.TrimPrefix(string(object.Key), journalPrefix), "/")
			break
		}
		if name == "" {
			return names, nil
		}
		names = append(names, name)
		after = Key(journalPrefix + name + "0") // the byte after the slash: behind all objects of this one
	}
}

func newJournalCache() journalCache {
	return journalCache{indexes: map[Key]*JournalIndex{}, workloads: map[PodUID][]string{}}
}

func (c *journalCache) get(key Key) *JournalIndex {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.indexes[key]
}

func (c *journalCache) put(key Key, x *JournalIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := logsIn(x)
	if c.indexes[key] == nil && c.entries+n <= mostCached {
		c.indexes[key] = x
		c.entries += n
	}
}

// keep forgets the objects that are not in the store any more.
func (c *journalCache) keep(listed map[Key]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, x := range maps.Clone(c.indexes) {
		if !listed[key] {
			delete(c.indexes, key)
			c.entries -= logsIn(x)
		}
	}
}

func logsIn(x *JournalIndex) int {
	n := len(x.Pods)
	for i := range x.Pods {
		n += len(x.Pods[i].Logs)
	}
	return n
}
