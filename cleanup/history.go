package cleanup

import (
	"cmp"
	"slices"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// mostHistory returns the highest limit that any Job has, 0 where none has one.
func mostHistory(s config.Cleanup) int {
	most := s.HistoryLimit
	for _, r := range s.Rules {
		if r.HistoryLimit != nil {
			most = max(most, *r.HistoryLimit)
		}
	}
	return most
}

// newer counts the Jobs that ended after the given one.
func newer(job *batchv1.Job, related []*batchv1.Job) int {
	n := 0
	for _, r := range related {
		if pods.Finished(r) && r.DeletionTimestamp == nil && byEnd(r, job) > 0 {
			n++
		}
	}
	return n
}

// byEnd compares Jobs by their ends. Times are whole seconds: of two that ended in the same one the UIDs decide, so
// that every replica and every look counts alike.
func byEnd(a, b *batchv1.Job) int {
	return cmp.Or(pods.FinishedAt(a).Compare(pods.FinishedAt(b)), cmp.Compare(a.UID, b.UID))
}

// crowd asks for a look at the older Jobs of the workload that are too many now that this one has ended. It need not be
// the newest: of two that end within a second the cache may hear of the newer one first. Nor need it be this replica's:
// the older ones may be, and their owner is not told otherwise; what is not its own a look passes over.
//
// It ends: a Job only ever tells of older ones. One that is beyond every limit itself made none of them too many.
func (j *Janitor) crowd(job *batchv1.Job) {
	if job == nil || j.history == 0 || !pods.Finished(job) {
		return
	}
	related := slices.DeleteFunc(j.parts.Cache.Related(job), func(r *batchv1.Job) bool { return !pods.Finished(r) })
	if newer(job, related) >= j.history {
		return
	}
	slices.SortFunc(related, func(a, b *batchv1.Job) int { return byEnd(b, a) })
	n := 0 // not deleted ones that are newer
	for _, r := range related {
		if limit := j.historyOf(r); limit > 0 && n >= limit && byEnd(r, job) < 0 {
			j.seen.Add(r.UID)
		}
		if r.DeletionTimestamp == nil {
			n++
		}
	}
}

// historyOf returns the limit that counts for a Job.
func (j *Janitor) historyOf(job *batchv1.Job) int {
	of := judgement{Facts: Facts{Job: job, Kind: pods.Kind(job)}, s: j.cfg.Cleanup}
	return of.historyLimit()
}
