package cleanup

import (
	"path"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// handsOff says why nothing of the Job is ended or deleted, if that is so.
func (j *judgement) handsOff() (Reason, bool) {
	annotations := j.Job.Annotations
	text, kept := annotations[mark.Keep]
	switch {
	case !j.s.Enabled:
		return Disabled, true
	case j.cronJobs():
		return CronJob, true
	case kept && text != "false": // who writes anything else wants to keep it
		return Kept, true
	case annotations[mark.TTL] == "forever":
		return Kept, true
	case kept: // what its owner wrote beats a rule that keeps
		return "", false
	case annotations[mark.TTL] != "" || annotations[mark.Expires] != "":
		return "", false
	}
	if r := j.rule(); r != nil && r.Keep {
		return Kept, true
	}
	return "", false
}

// cronJobs: the Job is its CronJob's business. But a TTL that was taken from it has no other keeper than us.
func (j *judgement) cronJobs() bool {
	if j.s.CronJobs || j.Job.Annotations[mark.AdoptedTTL] != "" {
		return false
	}
	parent := metav1.GetControllerOf(j.Job)
	return parent != nil && isCronJob(*parent)
}

// rule returns the first rule that matches; nil: none does.
func (j *judgement) rule() *config.Rule {
	for i := range j.s.Rules {
		r := &j.s.Rules[i]
		named := r.Name == ""
		if !named {
			named, _ = path.Match(r.Name, j.Job.Name) // the pattern was checked when it was read
		}
		if named && (r.Kind == "" || r.Kind == j.Kind) && (r.Selector == nil || r.Selector.Matches(labels.Set(j.Job.Labels))) {
			return r
		}
	}
	return nil
}

// expiry says when a finished Job goes, and by what; or that it does not go, and why. What its owner wrote on it beats
// what its maker wrote in it, which beats rules, which beat settings.
func (j *judgement) expiry() (at time.Time, why Reason, goes bool) {
	a, end := j.Job.Annotations, pods.FinishedAt(j.Job)
	switch {
	case a[mark.Expires] != "":
		t, err := mark.ParseTime(a[mark.Expires])
		if err != nil {
			return at, BadAnnotation, false
		}
		return latest(t, end), Annotation, true
	case a[mark.TTL] != "":
		d, err := mark.ParseTTL(a[mark.TTL])
		if err != nil {
			return at, BadAnnotation, false
		}
		return end.Add(d), Annotation, true
	case j.Job.Spec.TTLSecondsAfterFinished != nil && !adopted(j.Job):
		return at, KubernetesTTL, false // it is about to be taken over, or is not to be
	case a[mark.AdoptedTTL] != "":
		n, err := strconv.ParseInt(a[mark.AdoptedTTL], 10, 32)
		if err != nil || n < 0 {
			return at, BadAnnotation, false
		}
		return end.Add(time.Duration(n) * time.Second), Adopted, true
	}
	return j.byRule(end)
}

// byRule is expiry for a Job that says nothing of its own.
func (j *judgement) byRule(end time.Time) (at time.Time, why Reason, goes bool) {
	success, failure := j.s.TTLSuccess, j.s.TTLFailure
	if r := j.rule(); r != nil {
		for _, set := range []struct{ from, into *time.Duration }{{r.TTLSuccess, &success}, {r.TTLFailure, &failure}} {
			if set.from != nil {
				*set.into = *set.from
			}
		}
	}
	ttl, why := success, Success
	if pods.Outcome(j.Job) == batchv1.JobFailed {
		ttl, why = failure, Failure
	}
	if limit := j.historyLimit(); limit > 0 && j.Newer >= limit {
		return end, History, true
	}
	return end.Add(ttl), why, true
}

// historyLimit returns how many finished Jobs of the workload and kind are kept; 0: all.
func (j *judgement) historyLimit() int {
	if r := j.rule(); r != nil && r.HistoryLimit != nil {
		return *r.HistoryLimit
	}
	return j.s.HistoryLimit
}
