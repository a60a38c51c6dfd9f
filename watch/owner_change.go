package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

// Journal is what of a journal is needed to hand logs over and to take them. Safe for concurrent use; every call ends
// with its context.
type Journal interface {
	// Flush stores what the open logs hold and the journal does not.
	Flush(ctx context.Context) error
	// Replicas returns the replicas that have a journal in the store, this one among them.
	Replicas(ctx context.Context) ([]string, error)
	// TakeOver puts the replicas' open logs of those pods that are mine into the spool and returns the pods. A log of
	// which the spool holds as much stays as it is. Before a pod's logs change still is called, after which nobody
	// writes them. Done twice it does no harm.
	TakeOver(ctx context.Context, replicas []string, mine func(archive.PodRef) bool, still func(archive.PodRef)) ([]archive.PodUID, error)
	// Collect removes what of the journals nobody needs any more.
	Collect(ctx context.Context, dead func(replica string) bool) error
}

const (
	takeOverPatience = 15 * time.Second // for a store that does not answer: logs are read without what it holds then
	handOverPatience = 10 * time.Second
	ownAgain         = 5 * time.Second // until what failed is tried again
	// for a takeover that fails though the store answers, as where the spool has no room
	doubtPatience = 2 * time.Minute
	collectEvery  = time.Minute
)

// ownership brings what the watcher does in line with who is live. Its fields are owned by run.
//
// Each change goes the same way, the start included: act only for what is ours before and after it; hand over what is
// not ours any more and say so; if this replica has just joined, wait until the others have said so; take over; act.
type ownership struct {
	w        *Watcher
	accepted lease.Roster // what the watcher acts by
	joined   types.UID    // the Lease under which it does
	waiting  time.Time    // since when the others are waited for; zero: not
	owed     bool         // a takeover failed and is to be tried again
	answered time.Time    // when the store first answered while it was owed
}

// run follows the view until the context ends.
func (o *ownership) run(ctx context.Context) {
	for {
		v, changed := o.w.view()
		again := o.round(ctx, v)
		if pause.Until(ctx, changed, again) != nil {
			return
		}
	}
}

// idle is how long nothing has to be done where nothing changes.
const idle = time.Hour

// round acts on one view and says when to come again.
func (o *ownership) round(ctx context.Context, v lease.View) (again time.Duration) {
	next := v.Roster()
	if next.Self == "" || o.joined != "" && o.joined != v.Self.Lease {
		o.suspend() // in between others may have taken what is ours
	}
	if next.Self == "" {
		return idle
	}
	if !next.Is(o.accepted) {
		o.w.narrow(o.accepted, next)
	}
	if err := o.handOver(ctx, next); err != nil {
		if ctx.Err() == nil {
			o.w.log.Warn("hand over logs", "err", err)
		}
		return ownAgain
	}
	if o.w.parts.Leases != nil {
		o.w.parts.Leases.HandedOver(v)
	}
	joining := o.joined != v.Self.Lease
	if joining {
		if left := o.waitFor(v); left > 0 {
			return left
		}
	}
	if joining || o.owed || !next.Is(o.accepted) {
		if joining || o.owed || next.Lacks(o.accepted) { // one that joins gives nothing
			o.takeOver(ctx, next, joining)
		}
		if ctx.Err() != nil {
			return idle
		}
		o.joined, o.waiting, o.accepted = v.Self.Lease, time.Time{}, next
		o.w.accept(next)
	}
	if o.owed {
		return ownAgain
	}
	return idle
}

// errSuspended ends followers whose replica has lost its Lease. It may have stood still for long, so that none of them
// knows what it has missed.
var errSuspended = errors.New("the replica's Lease is not held")

// suspend stops all work. The spool keeps what it has: whether others took it over shows when this replica is back.
func (o *ownership) suspend() {
	if o.accepted.Self == "" {
		return
	}
	o.w.log.Warn("this replica's Lease is not held; its logs rest")
	o.w.parts.Own.Suspended.Inc()
	o.accepted, o.joined, o.waiting = lease.Roster{}, "", time.Time{}
	o.w.narrow()
	o.w.letGo(errSuspended, func(types.UID) bool { return true })
}

// waitFor returns how long to wait for the others at most; 0: they have all handed over what is ours, or had their
// time. An owner that cannot reach the store has nothing to give that could not as well be read again.
func (o *ownership) waitFor(v lease.View) time.Duration {
	if o.waiting.IsZero() {
		o.waiting = time.Now()
	}
	missing := slices.ContainsFunc(v.Others, func(m lease.Member) bool { return !slices.Contains(m.Handed, string(v.Self.Lease)) })
	if !missing {
		return 0
	}
	return o.w.parts.Leases.Duration() - time.Since(o.waiting)
}

// handOver ends the work on pods that are not ours any more: what is held of them is put into the journal and leaves
// the spool, unsealed. A crash in between leaves what a crash at any time leaves.
func (o *ownership) handOver(ctx context.Context, next lease.Roster) error {
	o.w.letGo(nil, func(job types.UID) bool { return !next.Owns(job) })
	lost, err := o.w.strangers(next)
	if err != nil || len(lost) == 0 {
		return err
	}
	if o.w.parts.Journal != nil {
		limited, cancel := context.WithTimeout(ctx, handOverPatience)
		defer cancel()
		if err := o.w.parts.Journal.Flush(limited); err != nil {
			return fmt.Errorf("flush journal: %w", err)
		}
	}
	for _, pod := range lost {
		if err := o.w.parts.Spool.Release(pod); err != nil {
			return err
		}
		o.w.parts.Own.HandedOver.Inc()
	}
	o.w.log.Info("logs are handed over", "pods", len(lost))
	return nil
}

// takeOver brings into the spool what the journals hold of pods that are ours now. Where the store is in trouble logs
// are read without it after a while, for the kubelet does not keep them either: in doubt, neither journaled nor sealed,
// until the takeover has been done after all. What was read meanwhile goes behind what it brings.
func (o *ownership) takeOver(ctx context.Context, next lease.Roster, joining bool) {
	if o.w.parts.Journal == nil {
		return
	}
	patience, owed := takeOverPatience, o.owed
	if o.owed {
		patience = ownAgain // the pods are followed already
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := pause.Backoff{First: 200 * time.Millisecond, Last: 2 * time.Second}
	for {
		err := o.takeOnce(limited, next)
		if o.owed = err != nil; !o.owed {
			o.answered = time.Time{}
			return
		}
		if ctx.Err() == nil {
			o.w.log.Warn("take over logs", "err", err)
		}
		if again.Wait(limited) != nil {
			break
		}
	}
	if (joining || !owed) && ctx.Err() == nil {
		o.answered = time.Time{}
		o.w.parts.Spool.Doubt(joining)
	}
}

// takeOnce goes through all journals: those of the dead, this replica's own, for what was handed over to one that died
// before it took it, and those of the living, which may have handed over what is ours, to this replica or to one that
// died before it wrote.
func (o *ownership) takeOnce(ctx context.Context, next lease.Roster) error {
	replicas, err := o.w.parts.Journal.Replicas(ctx)
	if err != nil {
		return fmt.Errorf("list journals: %w", err)
	}
	if o.answered.IsZero() {
		o.answered = time.Now()
	}
	pods, err := o.w.parts.Journal.TakeOver(ctx, replicas, o.w.wanted(next, o.owed), o.w.rest)
	if len(pods) > 0 {
		o.w.parts.Own.TakenOver.Add(float64(len(pods)))
		o.w.log.Info("logs are taken over", "from", replicas, "pods", len(pods))
	}
	if err == nil {
		return o.w.parts.Spool.Trust()
	}
	if o.w.parts.Spool.InDoubt() && time.Since(o.answered) > doubtPatience {
		// Sealing may be what makes the room that is missing.
		o.w.log.Error("takeover does not succeed; logs are journaled and sealed without what the journals hold", "err", err)
		o.w.parts.Spool.EndDoubt()
	}
	return fmt.Errorf("take over: %w", err)
}

// collect keeps the journals small.
func (w *Watcher) collect(ctx context.Context) {
	if w.parts.Journal == nil {
		return
	}
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		v, _ := w.view()
		if v.Self.Lease == "" {
			continue
		}
		err := w.parts.Journal.Collect(ctx, v.IsDead)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("remove old journals", "err", err)
		}
	}
}
