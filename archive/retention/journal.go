package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// open returns the pods that this replica's spool or any journal has, and deletes on the way the journals of the dead
// that are older than the cutoff. A pod that a journal names keeps its manifest: without it the journal's object would
// never be garbage, and a takeover would bring the log back.
func (r *Retention) open(ctx context.Context, cutoff time.Time) (map[archive.PodUID]bool, error) {
	held, err := r.journal.Spool.Pods()
	if err != nil {
		return nil, err
	}
	open := map[archive.PodUID]bool{}
	for _, pod := range held {
		open[pod] = true
	}
	replicas, err := r.journal.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	for _, replica := range replicas {
		named, err := r.named(ctx, replica, cutoff, held)
		if err != nil {
			return nil, fmt.Errorf("journal of %s: %w", replica, err)
		}
		for _, pod := range named {
			open[pod] = true
		}
	}
	return open, nil
}

// named returns the pods of a replica's journal. An object of a dead replica that was written before the cutoff, and
// that nobody here has taken over, is deleted instead: nobody has come for it in all that time, and its lines are too
// old to keep.
func (r *Retention) named(ctx context.Context, replica string, cutoff time.Time, held []archive.PodUID) (pods []archive.PodUID, err error) {
	objects, err := r.journal.List(ctx, replica)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		x, err := r.journal.Index(ctx, object.Key)
		switch {
		case errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrDamaged):
			continue // gone meanwhile; or it names nobody, and Collect knows what to do with it
		case err != nil:
			return nil, err
		}
		foreign := r.journal.Spool.IsForeign(x.Cluster)
		needed := func(p format.JournalPod) bool { return slices.Contains(held, p.PodUID) || !r.isOurs(p.Namespace) }
		if !foreign && r.cfg.Dead(replica) && x.Written.Before(cutoff) && !slices.ContainsFunc(x.Pods, needed) {
			if err := r.store.Delete(ctx, object.Key); err != nil {
				return nil, err
			}
			r.counts.journals.Add(1)
			continue
		}
		for i := range x.Pods {
			pods = append(pods, x.Pods[i].PodUID)
		}
	}
	return pods, nil
}
