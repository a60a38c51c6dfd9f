package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
)

// adopt takes up pods that are in the spool and no longer in the cluster: they ended while no process watched.
func (w *Watcher) adopt() error {
	uids, err := w.parts.Spool.Pods()
	if err != nil {
		return fmt.Errorf("adopt pods: %w", err)
	}
	present := map[types.UID]bool{}
	for _, o := range w.podInformer.GetStore().List() {
		present[o.(*corev1.Pod).UID] = true
	}
	for _, uid := range uids {
		if present[types.UID(uid)] || w.knows(types.UID(uid)) {
			continue
		}
		draft, err := w.parts.Spool.Draft(uid)
		if err != nil {
			// Without a draft nobody knows whose pod this was. Its files stay for a person to look at.
			w.log.Error("adopt pod", "pod_uid", uid, "err", err)
			continue
		}
		if w.Owns(jobUID(draft.Pod.PodRef)) {
			w.orphan(&draft.Manifest)
		}
	}
	return nil
}

func (w *Watcher) knows(uid types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known.get(uid) != nil
}

// departed is a pod that left the API server while this replica did not own it. If its owner has died with it unsealed
// and nothing of it in a journal, only this replica can still say that it was there.
type departed struct {
	*pod
	at time.Time
}

const (
	mostMissing = 1000             // the oldest are forgotten: their owner has long sealed them
	missingFor  = 10 * time.Minute // longer than any takeover
)

// depart remembers such a pod. Called with mu held.
func (w *Watcher) depart(last *corev1.Pod) {
	for len(w.missing) > 0 && (len(w.missing) >= mostMissing || time.Since(w.missing[0].at) > missingFor) {
		w.missing = w.missing[1:]
	}
	w.missing = append(w.missing, departed{w.newPod(last), time.Now()})
}

// claim looks for those of them that are ours now in the store, and records them as lost where that knows nothing of
// them.
func (w *Watcher) claim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []departed
	for _, d := range w.missing {
		switch {
		case !w.owns(jobUID(d.named)):
			left = append(left, d)
		case w.known.get(d.last.UID) == nil && !w.done[d.last.UID] && time.Since(d.at) < missingFor:
			d.gone = true
			w.known.put(d.last.UID, d.pod)
			w.seen.Add(keyOf(d.last))
		}
	}
	w.missing = left
}

// orphan takes up a pod that only the spool knows. Its logs end where they are, if it is gone.
func (w *Watcher) orphan(draft *archive.Manifest) {
	uid := types.UID(draft.Pod.PodUID)
	p := newPod(nil)
	p.draft, p.gone, p.overAt = draft, true, time.Now()
	for _, r := range draft.Instances {
		p.states[r.ContainerID] = r.State
	}
	for _, log := range w.parts.Spool.Logs(draft.Pod.PodUID) {
		p.logs[log.Instance().ContainerID] = log
	}
	w.mu.Lock()
	w.known.put(uid, p)
	w.mu.Unlock()
	w.unchecked.Add(podKey{types.NamespacedName{Namespace: draft.Pod.Namespace, Name: draft.Pod.Pod}, uid})
}

// errBehind: the pod is there and not in the cache yet.
var errBehind = errors.New("cache is behind")

// checkOrphan asks the API server whether the pod is really gone. The cache may be behind the journal of the replica
// that followed it, and a log that is sealed too early is sealed for good.
func (w *Watcher) checkOrphan(ctx context.Context, key podKey, p *pod) error {
	got, err := w.ask(ctx, key, checkLimit)
	if err != nil {
		return fmt.Errorf("look for pod %s: %w", key, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known.get(key.uid) != p {
		return nil
	}
	if got != nil {
		cached, err := w.pods.Pods(key.Namespace).Get(key.Name)
		if err != nil || cached.UID != key.uid {
			return errBehind
		}
		w.known.drop(key.uid)
		w.seen.Add(key)
		return nil
	}
	p.checked = true
	w.ended.Add(key)
	return nil
}

// recall takes up what an earlier process, or another replica, knew of a pod: the instances whose logs the spool holds,
// which the pod's status may no longer name, and how they ended.
func (w *Watcher) recall(p *pod) {
	uid := archive.PodUID(p.last.UID)
	for _, log := range w.parts.Spool.Logs(uid) {
		p.held = append(p.held, log.Instance())
		p.hold(log.Instance())
	}
	draft, err := w.parts.Spool.Draft(uid)
	if err != nil {
		return // there is none, or a crash came before it was written
	}
	p.silent = draft.Silent
	for _, r := range draft.Instances {
		if r.ContainerID != "" {
			p.states[r.ContainerID] = r.State
			p.hold(r.Instance)
		}
	}
}
