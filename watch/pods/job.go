package pods

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// FinishedAt gives when a Job finished, zero where it has not.
func FinishedAt(job *batchv1.Job) (end time.Time) {
	for _, c := range job.Status.Conditions {
		if IsEnd(c) {
			end = c.LastTransitionTime.Time
		}
	}
	return end
}

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
		// A failed Job has no completion time: the condition's is the end of both kinds.
		if IsEnd(c) {
			s.FinishedAt = c.LastTransitionTime.UTC()
		}
	}
	return s
}

func IsEnd(c batchv1.JobCondition) bool {
	return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
}
