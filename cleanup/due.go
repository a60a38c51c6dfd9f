package cleanup

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/metrics"
)

// await notes whether the Job is to be deleted and is there still. Called with mu held. In a dry run nothing is to be
// deleted.
func (j *Janitor) await(job types.UID, list []Decision, now time.Time) {
	for _, d := range list {
		if due := d.Action == DeleteJob || d.Action == Keep && d.Reason == Unsealed && !d.At.IsZero(); !due || j.cfg.DryRun {
			continue
		}
		if _, known := j.late[job]; !known {
			j.late[job] = now
		}
		return
	}
	delete(j.late, job)
}

// dueSince says since when it is known that the Job is to be deleted; zero: it is not.
func (j *Janitor) dueSince(job types.UID) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.late[job]
}

// Late returns the number of Jobs whose time is over and that are there still, and since when that is known of the
// first of them.
func (j *Janitor) Late() (n int, since time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.late), earliest(j.late)
}

// NextDeadline says when the gate lets go the next Job whose logs are not archived; zero: it holds none.
func (j *Janitor) NextDeadline() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return earliest(j.holding)
}

func earliest(times map[types.UID]time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Why Jobs and pods are deleted.
var (
	expiries    = []Reason{Success, Failure, Annotation, Adopted, History}
	podExpiries = []Reason{Retry, Orphan}
)

// startAtZero shows what can be counted before there is any of it.
func startAtZero(count *metrics.Cleanup, dry bool) {
	for kind, reasons := range map[string][]Reason{"job": expiries, "pod": podExpiries} {
		for _, why := range reasons {
			count.Deleted.WithLabelValues(kind, string(why))
		}
	}
	metrics.FromZero(count.Blocked, "store", "api", "conflict", "document", string(Unsealed))
	metrics.FromZero(count.Released, Sealed, Deadline, Orphaned, Deleting)
	metrics.FromZero(count.Ended, append([]Reason{Deleting}, Hindrances...)...)
	for _, why := range Hindrances {
		count.Stuck.WithLabelValues(string(why))
	}
	if !dry {
		return
	}
	for action, reasons := range map[Action][]Reason{
		DeleteJob: expiries, DeletePod: podExpiries, EndPod: Hindrances, Hold: {Gate}, HoldPod: {Gate}, AdoptTTL: {Gate}, Release: {Sealed},
	} {
		for _, why := range reasons {
			count.DryRun.WithLabelValues(string(action), string(why))
		}
	}
}
