package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// View is what the journals of some replicas hold of some pods: a takeover takes it, and a reader finds it. What it
// has in memory grows with the logs and the runs of frames, by some tens of bytes for each of these, never with their
// bytes.
type View struct {
	// Index reads the index of an object; nil: there is none that counts.
	Index func(context.Context, archive.Key) (*format.JournalIndex, error)
	// Wants reports whether a pod is looked for.
	Wants func(archive.PodRef) bool

	Keys []archive.Key // of all objects, in the order in which each replica wrote them
	Pods map[archive.PodUID]*Pod
}

// Pod is a pod as journals hold it.
type Pod struct {
	archive.PodRef
	Replica string // which has the highest epoch of those that name the pod

	epoch  int64 // of Replica
	drafts []draft
	logs   map[archive.LogID][]*Chain
}

// draft is the newest draft of a life of a replica.
type draft struct {
	life  string
	epoch int64 // of its writer
	at    Place
}

// ErrMoved means that an object went away while it was needed: its replica has newer ones, or its pods are sealed. A
// new View has what is there now.
var ErrMoved = errors.New("journal changed while it was read")

// Consistently calls f until it returns anything but ErrMoved. At the last time final is true: what is gone is to be
// given up.
func Consistently(f func(final bool) error) error {
	const tries = 5
	for try := 1; ; try++ {
		if err := f(try == tries); !errors.Is(err, ErrMoved) {
			return err
		}
	}
}

// Read reads the journals of some replicas. The objects count in their order, whatever the order of the answers.
func (v *View) Read(ctx context.Context, store archive.Store, replicas []string, final bool) error {
	v.Pods = map[archive.PodUID]*Pod{}
	for _, replica := range replicas {
		objects, err := list(ctx, store, replica)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(objects, patient.AtOnce) { // indexes are large
			if err := v.add(ctx, some, final); err != nil {
				return fmt.Errorf("read journal of %s: %w", replica, err)
			}
		}
	}
	return nil
}

func (v *View) add(ctx context.Context, objects []archive.Object, final bool) error {
	indexes := make([]*format.JournalIndex, len(objects))
	err := patient.Parallel(ctx, len(objects), func(ctx context.Context, i int) (err error) {
		indexes[i], err = v.Index(ctx, objects[i].Key)
		switch {
		case errors.Is(err, archive.ErrNotFound) && !final:
			return ErrMoved
		case errors.Is(err, archive.ErrNotFound):
			return nil
		}
		return err
	})
	for i, x := range indexes {
		v.Keys = append(v.Keys, objects[i].Key)
		if x != nil {
			v.plan(objects[i].Key, x)
		}
	}
	return err
}

// plan takes in what an object holds.
func (v *View) plan(key archive.Key, x *format.JournalIndex) {
	for i := range x.Pods {
		j := &x.Pods[i]
		if !v.Wants(j.PodRef) {
			continue
		}
		p := v.Pods[j.PodUID]
		if p == nil {
			p = &Pod{PodRef: j.PodRef, logs: map[archive.LogID][]*Chain{}}
			v.Pods[j.PodUID] = p
		}
		if x.Epoch >= p.epoch {
			p.Replica, p.epoch = archive.ReplicaOf(key), x.Epoch
		}
		if j.Draft != nil {
			p.draft(draft{x.Life, x.Epoch, Place{key, *j.Draft}})
		}
		for k := range j.Logs {
			e := &j.Logs[k]
			p.chain(x.Life, e.Copy, e.Instance(j.PodRef)).add(key, x.Epoch, e)
		}
	}
}

// draft takes a draft in place of the one that its writer wrote before. The last one is the newest.
func (p *Pod) draft(d draft) {
	p.drafts = slices.DeleteFunc(p.drafts, func(o draft) bool { return o.life == d.life && o.epoch <= d.epoch })
	i := len(p.drafts)
	for i > 0 && p.drafts[i-1].epoch > d.epoch {
		i--
	}
	p.drafts = slices.Insert(p.drafts, i, d)
}

// Drafts returns where the newest draft of each life of a replica is, the newest of all first. The others may name
// instances that it does not: one that had written nothing leaves no other trace.
func (p *Pod) Drafts() []Place {
	var places []Place
	for _, d := range slices.Backward(p.drafts) {
		places = append(places, d.at)
	}
	return places
}

func (p *Pod) chain(life string, n int64, i archive.Instance) *Chain {
	id := i.ID()
	for _, c := range p.logs[id] {
		if c.life == life && c.copy == n && c.Instance == i {
			return c
		}
	}
	c := &Chain{life: life, copy: n, Instance: i}
	p.logs[id] = append(p.logs[id], c)
	return c
}

// Logs yields of each log the chain whose word counts.
func (p *Pod) Logs() iter.Seq2[archive.LogID, *Chain] {
	return func(yield func(archive.LogID, *Chain) bool) {
		for id, chains := range p.logs {
			if !yield(id, bestChain(chains)) {
				return
			}
		}
	}
}

// Document reads a JSON document of an object into v, and returns its text. ErrDamaged: it is none.
func Document(ctx context.Context, store archive.Store, codec *format.Codec, at Place, v any) ([]byte, error) {
	b, _, err := format.Fetch(ctx, store, at.Key, archive.Range{Offset: at.Offset, Length: at.Size})
	if err != nil {
		return nil, fmt.Errorf("read document in %s: %w", at.Key, err)
	}
	text, err := codec.ReadDocument(b, format.MagicDocument, "EPLD", 0)
	if err != nil {
		return nil, fmt.Errorf("read document in %s: %w", at.Key, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("read document in %s: %w: %w", at.Key, err, archive.ErrDamaged)
	}
	return text, nil
}

// list returns the objects of a replica's journal in the order in which they were written.
func list(ctx context.Context, store archive.Store, replica string) ([]archive.Object, error) {
	if replica == "" || strings.Contains(replica, "/") {
		return nil, fmt.Errorf("name of replica is %q, must be without a slash and not empty", replica)
	}
	var objects []archive.Object
	for object, err := range store.List(ctx, archive.ReplicaPrefix(replica), "") {
		if err != nil {
			return nil, fmt.Errorf("list journal of %s: %w", replica, err)
		}
		if archive.SequenceOf(object.Key) >= 0 {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// Replicas returns the names of all whose journals are in the store, in order: one short list request for each. The
// first error of the store ends it.
func Replicas(ctx context.Context, store archive.Store) ([]string, error) {
	var names []string
	for after := archive.Key(""); ; {
		name := ""
		for object, err := range store.List(ctx, archive.JournalPrefix, after) {
			if err != nil {
				return nil, fmt.Errorf("list journals: %w", err)
			}
			name = archive.ReplicaOf(object.Key)
			break
		}
		if name == "" {
			return names, nil
		}
		names = append(names, name)
		// the byte after the slash: behind all objects of this one
		after = archive.Key(archive.JournalPrefix + name + "0")
	}
}
