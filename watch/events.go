package watch

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// eventLimit bounds the Events of one object in a manifest: a flood must not make it unreadable.
const eventLimit = 200

const byObject = "object"

// involved is the index of Events by the object that they are about.
func involved(object any) ([]string, error) {
	return []string{string(object.(*corev1.Event).InvolvedObject.UID)}, nil
}

// addEvents puts the Events of the pod and its Job into the manifest: those that have come until the pod is sealed.
func (w *Watcher) addEvents(m *archive.Manifest) {
	m.Events = nil
	for _, object := range []struct{ kind, uid string }{{"pod", string(m.Pod.PodUID)}, {"job", string(m.Pod.JobUID)}} {
		if object.uid == "" {
			continue
		}
		found := w.eventsOf(types.UID(object.uid))
		for _, e := range found[:min(len(found), eventLimit)] {
			m.Events = append(m.Events, event(object.kind, e))
		}
	}
	slices.SortStableFunc(m.Events, func(a, b archive.Event) int { return a.First.Compare(b.First) })
}

// event takes over one Event.
func event(object string, e *corev1.Event) archive.Event {
	out := archive.Event{Object: object, Type: e.Type, Reason: e.Reason, Message: e.Message, Count: max(1, e.Count)}
	out.First, out.Last = pods.EventTimes(e)
	if e.Series != nil {
		out.Count = e.Series.Count
	}
	return out
}
