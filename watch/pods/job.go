package pods

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// End returns the condition that says how the Job has ended, nil where it has not.
func End(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// FinishedAt returns when the Job ended, zero where it has not. A failed Job has no completion time: the condition's
// is the end of both kinds.
func FinishedAt(job *batchv1.Job) time.Time {
	if c := End(job); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// Outcome returns how the Job has ended, complete or failed; "" where it has not.
func Outcome(job *batchv1.Job) batchv1.JobConditionType {
	if c := End(job); c != nil {
		return c.Type
	}
	return ""
}

// Finished reports whether the Job has ended.
func Finished(job *batchv1.Job) bool { return End(job) != nil }

// SummaryOfJob returns what a manifest tells of the Job.
func SummaryOfJob(job *batchv1.Job) *archive.JobSummary {
	s := &archive.JobSummary{
		Name: job.Name, UID: archive.JobUID(job.UID), Labels: job.Labels, CreatedAt: job.CreationTimestamp.UTC(),
		StartedAt: utc(job.Status.StartTime), DeletedAt: utc(job.DeletionTimestamp), Succeeded: job.Status.Succeeded, Failed: job.Status.Failed,
		BackoffLimit: job.Spec.BackoffLimit,
	}
	for _, c := range job.Status.Conditions {
		s.Conditions = append(s.Conditions, archive.Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message, At: c.LastTransitionTime.UTC(),
		})
	}
	if c := End(job); c != nil {
		s.FinishedAt = c.LastTransitionTime.UTC()
	}
	return s
}
