package watch

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/epilogue-dev/epilogue/archive"
)

const (
	eventLimit = 200              // of one object; a flood of Events must not make a manifest unreadable
	eventWait  = 10 * time.Second // Events are good to have, and no reason to hold a seal back
)

// addEvents puts the Events of the pod and its Job into the manifest. They are asked for once, when the pod is sealed: the
// cluster keeps them for an hour, and watching all of them would cost more than it tells.
func (w *Watcher) addEvents(ctx context.Context, m *archive.Manifest) {
	ctx, cancel := context.WithTimeout(ctx, eventWait)
	defer cancel()
	m.Events = nil
	for _, object := range []struct{ kind, uid string }{{"pod", string(m.Pod.PodUID)}, {"job", string(m.Pod.JobUID)}} {
		if object.uid == "" {
			continue
		}
		list, err := w.parts.Client.CoreV1().Events(m.Pod.Namespace).List(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", object.uid).String(), Limit: eventLimit,
		})
		if err != nil {
			w.log.Warn("list Events; the manifest goes without them", "pod", m.Pod.PodRef, "object", object.kind, "err", err)
			continue
		}
		for _, e := range list.Items {
			m.Events = append(m.Events, event(object.kind, &e))
		}
	}
	slices.SortStableFunc(m.Events, func(a, b archive.Event) int { return a.First.Compare(b.First) })
}

// event takes over one Event. Newer reporters leave the old time fields empty.
func event(object string, e *corev1.Event) archive.Event {
	out := archive.Event{
		Object: object, Type: e.Type, Reason: e.Reason, Message: e.Message, Count: max(1, e.Count),
		First: e.FirstTimestamp.UTC(), Last: e.LastTimestamp.UTC(),
	}
	if e.FirstTimestamp.IsZero() {
		out.First = e.EventTime.UTC()
	}
	if e.LastTimestamp.IsZero() {
		out.Last = out.First
	}
	if e.Series != nil {
		out.Count, out.Last = e.Series.Count, e.Series.LastObservedTime.UTC()
	}
	return out
}
