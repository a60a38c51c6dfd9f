package watch

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// noteGone keeps the last state of a pod that leaves the API server.
func (w *Watcher) noteGone(last *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.known.get(last.UID)
	if p == nil {
		if w.resting[last.UID] || w.done[last.UID] || !w.selected(last) {
			return
		}
		if !w.owns(jobUID(w.podRef(last))) {
			w.depart(last)
			return
		}
		p = w.newPod(last) // it came and went before anybody looked at it
		w.recall(p)
		p.checked = true
		w.known.put(last.UID, p)
	}
	if p.draft == nil {
		p.take(last)
		p.gone = true
		w.known.put(last.UID, p)
	}
}

// Changed returns a channel that is closed when the pod is seen to have changed.
func (w *Watcher) Changed(i archive.Instance) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.known.get(types.UID(i.PodUID)); p != nil {
		return p.changed
	}
	return nil
}

// lastSight describes an instance of a pod that is gone.
func (w *Watcher) lastSight(i archive.Instance) pods.Sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := pods.Sight{Gone: true}
	if p := w.known.get(types.UID(i.PodUID)); p != nil && p.last != nil {
		s = pods.SightOf(p.last, i)
		s.Gone = true
	}
	return s
}

// Backlog returns the number of pods that have ended and are not sealed, and how long the oldest has waited.
func (w *Watcher) Backlog() (pods int, oldest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.known.pods {
		if p.overAt.IsZero() || !p.checked && p.draft == nil && !p.gone {
			continue
		}
		pods++
		oldest = max(oldest, time.Since(p.overAt))
	}
	return pods, oldest
}
