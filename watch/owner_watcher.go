package watch

import (
	"cmp"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/watch/lease"
)

// view says who is live. Without Leases this replica is alone, and every other one is dead.
func (w *Watcher) view() (lease.View, <-chan struct{}) {
	if w.parts.Leases == nil {
		return lease.View{Self: lease.Member{Replica: cmp.Or(w.cfg.Replica, "alone"), Lease: "none"}}, nil
	}
	return w.parts.Leases.View()
}

// narrow makes the watcher act only for what is owned by all the rosters; none: for nothing.
func (w *Watcher) narrow(rosters ...lease.Roster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rosters = rosters
}

// owns reports whether this replica acts for a Job and its pods. Called with mu held.
func (w *Watcher) owns(job types.UID) bool {
	for _, r := range w.rosters {
		if !r.Owns(job) {
			return false
		}
	}
	return len(w.rosters) > 0
}

// Owns reports whether this replica acts for a Job: everything that does asks here. It changes at any time; what a
// stale answer leads to the store's conditional puts and the API server's preconditions stop.
func (w *Watcher) Owns(job types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owns(job)
}

// OwnerOf returns the replica that owns a Job and its pods, which may be this one; not ok: nobody is live. A replica
// that has just joined is named before it has taken over, and one that has died until its Lease has lapsed.
func (w *Watcher) OwnerOf(job types.UID) (owner lease.Member, ok bool) {
	v, _ := w.view()
	return v.OwnerOf(job)
}

// wanted picks the pods of the journals: ours, and not at work already, unless that is without what the journals hold.
func (w *Watcher) wanted(next lease.Roster, owed bool) func(archive.PodRef) bool {
	return func(ref archive.PodRef) bool {
		if ref.Namespace != w.cfg.Namespace || !next.Owns(jobUID(ref)) {
			return false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		uid := types.UID(ref.PodUID)
		return (owed || w.known.get(uid) == nil) && !w.done[uid]
	}
}

// letGo stops the followers of the Jobs that match, waits for them, and forgets their pods. The spool keeps their logs.
func (w *Watcher) letGo(why error, match func(job types.UID) bool) {
	var reading []*reading
	w.mu.Lock()
	for uid, p := range w.known.pods {
		if match(jobUID(p.ref())) {
			reading = append(reading, w.forgo(uid, p, why)...)
		}
	}
	w.mu.Unlock()
	for _, r := range reading {
		<-r.ended
	}
}

// rest is letGo for one pod, which is not taken up again before accept.
func (w *Watcher) rest(ref archive.PodRef) {
	uid := types.UID(ref.PodUID)
	w.mu.Lock()
	w.resting[uid] = true
	p := w.known.get(uid)
	reading := w.forgo(uid, p, nil)
	w.mu.Unlock()
	for _, r := range reading {
		<-r.ended
	}
	w.endRead(p)
}

// endRead ends the logs of a forgotten pod that were read to their end: the replica that takes them up again need not
// prove it again, and perhaps could not.
func (w *Watcher) endRead(p *pod) {
	if p == nil || p.draft != nil {
		return
	}
	w.mu.Lock()
	var logs []*spool.Log
	for id, log := range p.logs {
		if p.following[id] == nil {
			logs = append(logs, log)
		}
	}
	w.mu.Unlock()
	for _, log := range logs {
		if _, err := log.End(); err != nil && !errors.Is(err, archive.ErrGone) {
			w.log.Warn("end log", "instance", log.Instance(), "err", err) // its end is read again
		}
	}
}

// forgo forgets a pod and returns its followers, which are told to stop; why, where it is not for order's sake. Called
// with mu held.
func (w *Watcher) forgo(uid types.UID, p *pod, why error) (stopped []*reading) {
	if p == nil {
		return nil
	}
	for _, r := range p.following {
		r.stop(why)
		stopped = append(stopped, r)
	}
	w.known.drop(uid)
	return stopped
}

// strangers returns the pods in the spool that others own.
func (w *Watcher) strangers(next lease.Roster) ([]archive.PodUID, error) {
	uids, err := w.parts.Spool.Pods()
	if err != nil {
		return nil, err
	}
	var lost []archive.PodUID
	for _, uid := range uids {
		ref, ok := w.refOf(uid)
		if ok && !next.Owns(jobUID(ref)) {
			lost = append(lost, uid)
		}
	}
	return lost, nil
}

// refOf names a pod of the spool. Not ok: nobody knows whose it is; its files stay for a person to look at.
func (w *Watcher) refOf(uid archive.PodUID) (archive.PodRef, bool) {
	if logs := w.parts.Spool.Logs(uid); len(logs) > 0 {
		return logs[0].Instance().PodRef, true
	}
	draft, err := w.parts.Spool.Draft(uid)
	if err != nil {
		return archive.PodRef{}, false
	}
	return draft.Pod.PodRef, true
}

// ref names the pod. It changes where a pod that was orphaned is adopted by another Job.
func (p *pod) ref() archive.PodRef {
	if p.draft != nil {
		return p.draft.Pod.PodRef
	}
	return p.named
}

// accept makes the watcher act by a roster: every pod in the cache and in the spool is looked at again.
func (w *Watcher) accept(next lease.Roster) {
	w.narrow(next)
	w.mu.Lock()
	w.actingSince = w.parts.Clock.Now()
	clear(w.resting)
	w.mu.Unlock()
	for _, o := range w.podInformer.GetStore().List() {
		w.seen.Add(keyOf(o.(*corev1.Pod)))
		w.tell(o) // for those whose Job is gone
	}
	for _, o := range w.jobInformer.GetStore().List() {
		w.seeJob(o)
	}
	if err := w.adopt(); err != nil {
		w.log.Error("adopt pods", "err", err)
	}
	w.claim()
	w.sealAgain()
	w.acting.Store(true)
}

// sealAgain seals all that ended while this replica was in doubt.
func (w *Watcher) sealAgain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for uid, p := range w.known.pods {
		ref := p.ref()
		w.ended.Add(podKey{types.NamespacedName{Namespace: ref.Namespace, Name: ref.Pod}, uid})
	}
}

// SharesWith reports whether this replica acts, and shares the Jobs with exactly these, itself among them, in their
// order.
func (w *Watcher) SharesWith(replicas []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.rosters) == 1 && slices.Equal(w.rosters[0].Live, replicas)
}

// jobUID returns what decides who owns a pod.
func jobUID(ref archive.PodRef) types.UID {
	if ref.JobUID == "" {
		return types.UID(ref.PodUID) // a bare pod is its own Job
	}
	return types.UID(ref.JobUID)
}
