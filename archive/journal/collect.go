package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
)

// Collect removes the objects that nobody needs any more: those of this life whose pods are sealed, or whose lines
// stand in whole frames of later objects; those of an earlier life of this replica, and of replicas that are dead,
// whose pods are sealed. What a crash or an error leaves is found by the next call.
func (j *Journal) Collect(ctx context.Context, dead func(replica string) bool) error {
	if err := patient.Lock(ctx, j.turn); err != nil {
		return err
	}
	defer func() { j.turn <- struct{}{} }()
	g := &garbage{journal: j, sealed: map[archive.PodUID]bool{}}
	if err := g.own(ctx); err != nil {
		return fmt.Errorf("collect journal: %w", err)
	}
	replicas, err := j.Replicas(ctx)
	if err != nil {
		return err
	}
	listed := map[archive.Key]bool{}
	for _, replica := range replicas {
		if replica != j.cfg.Replica && !dead(replica) {
			continue
		}
		if err := g.foreign(ctx, replica, listed); err != nil {
			return fmt.Errorf("collect journal of %s: %w", replica, err)
		}
	}
	for key := range j.foreign {
		if !listed[key] {
			delete(j.foreign, key)
		}
	}
	return nil
}

// garbage is one round of Collect.
type garbage struct {
	journal *Journal
	sealed  map[archive.PodUID]bool // what the store said in this round
	open    map[archive.PodUID]bool // pods in our spool
}

// own lets go of the pods that have left the spool and are sealed, then removes the objects that nothing needs.
func (g *garbage) own(ctx context.Context) error {
	j := g.journal
	pods, err := j.Spool.Pods()
	if err != nil {
		return err
	}
	g.open = make(map[archive.PodUID]bool, len(pods))
	for _, pod := range pods {
		g.open[pod] = true
	}
	for l, t := range j.logs {
		done, err := g.isSealed(ctx, l.Instance().PodRef)
		if err != nil {
			return err
		}
		if done {
			t.letGo()
			delete(j.logs, l)
		}
	}
	for pod, d := range j.drafts {
		done, err := g.isSealed(ctx, d.pod)
		if err != nil {
			return err
		}
		if done {
			d.held.uses--
			delete(j.drafts, pod)
		}
	}
	var keys []archive.Key
	for key, o := range j.objects {
		if o.uses == 0 {
			keys = append(keys, key)
		}
	}
	return g.remove(ctx, keys)
}

// foreign removes the objects of a replica, or of an earlier life of this one, whose pods are all sealed. An object
// that cannot be read says of no pod that it is needed; it stays as long as there is another one, for a look by hand.
func (g *garbage) foreign(ctx context.Context, replica string, listed map[archive.Key]bool) error {
	j := g.journal
	objects, err := j.List(ctx, replica)
	if err != nil {
		return err
	}
	var keys, unreadable []archive.Key
	kept := false
	for _, object := range objects {
		if j.objects[object.Key] != nil {
			kept = true
			continue
		}
		listed[object.Key] = true
		needed, err := g.needed(ctx, object.Key)
		if err != nil {
			return err
		}
		switch {
		case j.foreign[object.Key].isOfOthers():
			kept = true // a replica of that version, or of that cluster, can take it over
		case j.foreign[object.Key].isDamaged():
			unreadable = append(unreadable, object.Key)
		case needed:
			kept = true
		default:
			keys = append(keys, object.Key)
		}
	}
	if !kept {
		keys = append(keys, unreadable...)
	}
	return g.remove(ctx, keys)
}

// mostAwaited bounds what is remembered of an object: there may be very many, each with very many pods.
const mostAwaited = 8

// needed: a pod of the object is not sealed. It stops at the first one, so that a round asks the store about few open
// pods.
func (g *garbage) needed(ctx context.Context, key archive.Key) (bool, error) {
	for {
		w := g.journal.foreign[key]
		if w == nil {
			var err error
			if w, err = g.await(ctx, key); err != nil || w == nil {
				return false, err
			}
			g.journal.foreign[key] = w
		}
		for _, pod := range w.pods {
			if done, err := g.isSealed(ctx, pod); err != nil || !done {
				return true, err
			}
		}
		if !w.more {
			return false, nil
		}
		delete(g.journal.foreign, key)
	}
}

// await reads which pods of an object are not known to be sealed, nil where another replica has removed it.
func (g *garbage) await(ctx context.Context, key archive.Key) (*awaited, error) {
	x, err := g.journal.Index(ctx, key)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return nil, nil
	case errors.Is(err, archive.ErrDamaged):
		g.journal.Log.Error("journal object is damaged", "key", key, "err", err)
		return &awaited{damaged: true, version: errors.Is(err, format.ErrVersion)}, nil
	case err != nil:
		return nil, err
	}
	w := &awaited{foreign: g.journal.Spool.IsForeign(x.Cluster)}
	if w.foreign {
		return w, nil
	}
	for i := range x.Pods {
		if g.sealed[x.Pods[i].PodUID] {
			continue
		}
		if w.more = len(w.pods) == mostAwaited; w.more {
			break
		}
		w.pods = append(w.pods, x.Pods[i].PodRef)
	}
	return w, nil
}

func (w *awaited) isDamaged() bool { return w != nil && w.damaged }

func (w *awaited) isOfOthers() bool { return w != nil && (w.version || w.foreign) }

// isSealed asks for the manifest of a pod that is not in our spool. Having left the spool proves nothing: it may have
// been handed over.
func (g *garbage) isSealed(ctx context.Context, pod archive.PodRef) (bool, error) {
	if g.open[pod.PodUID] {
		return false, nil
	}
	if done, known := g.sealed[pod.PodUID]; known {
		return done, nil
	}
	done, err := g.journal.HasManifest(ctx, pod)
	if err == nil {
		g.sealed[pod.PodUID] = done
	}
	return done, err
}

// HasManifest reports whether a pod is sealed, as the store says it now. It waits through an outage of the store; its
// error is the context's, or an answer that is final.
func (j *Journal) HasManifest(ctx context.Context, pod archive.PodRef) (bool, error) {
	return patient.Exists(ctx, j.Store, pod.ManifestKey())
}

func (g *garbage) remove(ctx context.Context, keys []archive.Key) error {
	const batch = 1000
	j := g.journal
	for some := range slices.Chunk(keys, batch) {
		if err := j.Store.Delete(ctx, some...); err != nil {
			return fmt.Errorf("delete %d journal objects from %s on: %w", len(some), some[0], err)
		}
		for _, key := range some {
			delete(j.objects, key)
			delete(j.foreign, key)
		}
		j.stats.removed.Add(int64(len(some)))
	}
	return nil
}
