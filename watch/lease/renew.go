package lease

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

var everything = labels.Everything()

// renew renews the Lease or makes it. An error is tried again soon, and stops the work when the Lease is no longer
// fresh.
func (l *Leases) renew(ctx context.Context) {
	sent := time.Now()
	// No request outlives the moment at which this replica has to stop acting: Run must notice that in time.
	limit := l.cfg.Duration / 3
	if left := l.cfg.Duration*2/3 - time.Since(l.renewed); l.holds() && left < limit {
		limit = left
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	own, err := l.put(limited)
	if err == nil {
		if time.Since(l.renewed) > l.cfg.Duration/2 {
			// This replica was asleep or cut off, and so may have been the others, or what they said is still on its
			// way.
			clear(l.sightsOf)
		}
		l.own, l.renewed = own, sent
		l.next(true)
		return
	}
	if ctx.Err() == nil {
		l.log.Warn("renew Lease", "lease", l.name(), "err", err)
	}
	l.next(false)
}

// put writes the Lease once. After errFenced the next put makes a new one.
func (l *Leases) put(ctx context.Context) (*coordinationv1.Lease, error) {
	client := l.client.CoordinationV1().Leases(l.cfg.Namespace)
	if l.own == nil {
		// One that is there is of an earlier life of this replica, and nobody has judged it dead: its logs are still
		// ours.
		there, err := client.Get(ctx, l.name(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			made, _ := l.wanted(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name(), Namespace: l.cfg.Namespace}})
			return client.Create(ctx, made, metav1.CreateOptions{})
		}
		if err != nil {
			return nil, err
		}
		l.own = there
	}
	lease, told := l.wanted(l.own)
	updated, err := client.Update(ctx, lease, metav1.UpdateOptions{})
	switch {
	case err == nil:
		l.tell(told)
		return updated, nil
	case apierrors.IsConflict(err):
		return nil, errors.Join(err, l.reread(ctx))
	case apierrors.IsNotFound(err):
		l.own = nil
		l.poke()
		return nil, errFenced
	default:
		return nil, err
	}
}

// errFenced: others have judged this replica dead and have its logs.
var errFenced = errors.New("lease was taken away")

// reread takes up a Lease that was changed: by a renewal of ours that reported failure, or by a person.
func (l *Leases) reread(ctx context.Context) error {
	there, err := l.client.CoordinationV1().Leases(l.cfg.Namespace).Get(ctx, l.name(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && there.UID != l.own.UID:
		l.own = nil
		return errFenced
	case err != nil:
		return err
	}
	l.own = there
	return nil
}

// wanted returns the Lease as it is to be written, and what it tells of hand-overs.
func (l *Leases) wanted(from *coordinationv1.Lease) (lease *coordinationv1.Lease, told string) {
	l.mu.Lock()
	uids := make([]string, 0, len(l.handed))
	for uid := range l.handed {
		uids = append(uids, string(uid))
	}
	l.mu.Unlock()
	slices.Sort(uids)
	told = strings.Join(uids, ",")
	lease = from.DeepCopy()
	now, replica, seconds := metav1.NowMicro(), l.cfg.Replica, int32(math.Ceil(l.cfg.Duration.Seconds()))
	lease.Labels, lease.Annotations = l.labels(), map[string]string{handedTo: told}
	if l.cfg.API != "" {
		lease.Annotations[apiAddress] = l.cfg.API
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &replica, &seconds, &now
	if lease.Spec.AcquireTime == nil {
		lease.Spec.AcquireTime = &now
	}
	return lease, told
}

// tell notes what the Lease says now, unless there is more to say already.
func (l *Leases) tell(told string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := 0
	for uid := range strings.SplitSeq(told, ",") {
		if l.handed[types.UID(uid)] {
			count++
		}
	}
	l.told = count == len(l.handed)
}

// mostJudged bounds the deletions of one turn: Run has to renew between them, however many Leases somebody has made.
const mostJudged = 5

// judge deletes the Leases of others that have lapsed.
func (l *Leases) judge(ctx context.Context) {
	// Who cannot renew is in no position to say that others do not.
	if !l.holds() || time.Since(l.renewed) > l.cfg.Duration/2 {
		return
	}
	names, judged := map[string]bool{}, 0
	for _, lease := range l.byWeight() {
		names[lease.Name] = true
		if lease.Name == l.own.Name || !l.lapsed(lease) || judged == mostJudged {
			continue
		}
		judged++
		l.log.Warn("lease has lapsed", "lease", lease.Name)
		if err := l.remove(ctx, lease.Name, metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}); err != nil && !apierrors.IsNotFound(err) {
			// A conflict is a renewal that came in time. Other errors: once more after another duration.
			l.log.Info("lapsed Lease stays", "lease", lease.Name, "err", err)
			if l.hasPod(lease) {
				l.sightsOf[lease.Name] = renewal{lease.ResourceVersion, time.Now()}
			}
		}
	}
	for name := range l.sightsOf {
		if !names[name] {
			delete(l.sightsOf, name)
		}
	}
}

// byWeight returns the Leases, those first that count.
func (l *Leases) byWeight() []*coordinationv1.Lease {
	leases := l.listed()
	slices.SortStableFunc(leases, func(a, b *coordinationv1.Lease) int {
		switch x, y := l.counts(a), l.counts(b); {
		case x == y:
			return 0
		case x:
			return -1
		default:
			return 1
		}
	})
	return leases
}

// lapsed reports whether a Lease was not renewed within its duration. Without a pod no renewal counts.
func (l *Leases) lapsed(lease *coordinationv1.Lease) bool {
	seen, known := l.sightsOf[lease.Name]
	if !known || seen.version != lease.ResourceVersion && l.hasPod(lease) {
		l.sightsOf[lease.Name] = renewal{lease.ResourceVersion, time.Now()}
		return false
	}
	return time.Since(seen.at) >= l.durationOf(lease)
}

// mostTrusted is how much longer than our own another replica's duration may be.
const mostTrusted = 2

// durationOf trusts the holder's own word, but not with less than ours, for it may be about to be restarted with
// another one, nor with much more: what a Lease says, others than replicas may have written.
func (l *Leases) durationOf(lease *coordinationv1.Lease) time.Duration {
	if lease.Spec.LeaseDurationSeconds == nil || !l.hasPod(lease) {
		return l.cfg.Duration
	}
	said := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	return min(max(l.cfg.Duration, said), l.cfg.Duration*mostTrusted)
}

// remove deletes a Lease if it is still as it is wanted.
func (l *Leases) remove(ctx context.Context, name string, still metav1.Preconditions) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Duration/3)
	defer cancel()
	err := l.client.CoordinationV1().Leases(l.cfg.Namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: &still})
	if err != nil {
		return fmt.Errorf("delete Lease %s: %w", name, err)
	}
	return nil
}

// Release returns the Lease up after Run has returned, so that others need not wait for it to lapse. Only after the
// last journal is written: from then on they take over.
func (l *Leases) Release(ctx context.Context) error {
	if l.own == nil {
		return nil
	}
	if err := l.remove(ctx, l.own.Name, metav1.Preconditions{UID: &l.own.UID}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}
