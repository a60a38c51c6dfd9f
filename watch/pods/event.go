package pods

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// EventTimes returns when what an Event tells of happened first, and when last. Newer reporters leave the old fields
// empty.
func EventTimes(e *corev1.Event) (first, last time.Time) {
	first, last = e.FirstTimestamp.UTC(), e.LastTimestamp.UTC()
	if e.FirstTimestamp.IsZero() {
		first = e.EventTime.UTC()
	}
	if e.LastTimestamp.IsZero() {
		last = first
	}
	if e.Series != nil {
		last = e.Series.LastObservedTime.UTC()
	}
	return first, last
}
