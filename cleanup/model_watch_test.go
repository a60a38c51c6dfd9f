package cleanup

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// watcher brings the cache up to date, now and then late, and seals.
func (w *world) watcher() {
	if time.Now().After(w.seeAt) {
		w.cacheMu.Lock()
		fresh := w.behind
		w.behind = nil
		w.cacheMu.Unlock()
		for _, n := range fresh {
			uid := w.lookout.see(n.object, n.gone)
			if p, ok := n.object.(*corev1.Pod); ok {
				w.note(p, n.gone)
			}
			w.told = append(w.told, func() { w.janitor.Notice(uid) })
		}
		if w.rand.IntN(20) == 0 {
			w.seeAt = time.Now().Add(time.Duration(w.rand.IntN(30)) * time.Second)
		}
	}
	if w.upAt.IsZero() && w.mendAt.IsZero() {
		w.sealSome()
	}
}

// note takes up a pod that has ended, or gone.
func (w *world) note(p *corev1.Pod, gone bool) {
	withdrawn := p.DeletionTimestamp != nil && p.Spec.NodeName == ""
	if w.shelf.has(jobOf(p), p.UID) || !gone && !pods.Over(p) && !withdrawn {
		return
	}
	if w.pending[p.UID] == nil {
		w.sealAt[p.UID] = time.Now().Add(time.Duration(w.rand.IntN(20)) * time.Second)
	}
	w.pending[p.UID] = p
	w.countOpen()
}

// countOpen tells the lookout of pods that are gone and not sealed.
func (w *world) countOpen() {
	w.lookout.mu.Lock()
	defer w.lookout.mu.Unlock()
	w.lookout.open = map[types.UID]int{}
	for uid, p := range w.pending {
		if w.lookout.pods[jobOf(p)][uid] == nil {
			w.lookout.open[jobOf(p)]++
		}
	}
}

func (w *world) sealSome() {
	for uid, p := range w.pending {
		if time.Now().Before(w.sealAt[uid]) {
			continue
		}
		delete(w.pending, uid)
		w.shelf.put(p, archive.Complete)
		w.countOpen()
		w.prove(p)
	}
	// A life that has just begun finds in the store what an earlier one has sealed.
	w.lookout.mu.Lock()
	var found []*corev1.Pod
	for _, pods := range w.lookout.pods {
		for uid, p := range pods {
			if w.lookout.unproven[uid] && w.rand.IntN(3) == 0 {
				found = append(found, p)
			}
		}
	}
	w.lookout.mu.Unlock()
	for _, p := range found {
		w.prove(p)
	}
	w.documents()
}

// prove lets the watcher learn from the store whether a pod is sealed.
func (w *world) prove(p *corev1.Pod) {
	w.lookout.mu.Lock()
	delete(w.lookout.unproven, p.UID)
	if w.shelf.has(jobOf(p), p.UID) && w.lookout.pods[jobOf(p)][p.UID] != nil {
		w.lookout.sealed[p.UID] = true
	}
	w.lookout.mu.Unlock()
	w.told = append(w.told, func() { w.janitor.Notice(jobOf(p)) })
}

// documents writes those of Jobs that have finished, by the cache, and of which nothing is open.
func (w *world) documents() {
	w.lookout.mu.Lock()
	var whole []types.UID
	for uid, j := range w.lookout.jobs {
		open := w.lookout.open[uid] > 0
		for pod := range w.lookout.pods[uid] {
			open = open || !w.lookout.sealed[pod]
		}
		if !open && !pods.FinishedAt(j).IsZero() && !w.shelf.written(uid) {
			whole = append(whole, uid)
		}
	}
	w.lookout.mu.Unlock()
	for _, uid := range whole {
		w.shelf.write(uid)
		w.told = append(w.told, func() { w.janitor.Settled(uid, true) })
	}
}
