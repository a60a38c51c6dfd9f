package cleanup

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
)

// parentLook is how often it is asked whether a Job's CronJob is being deleted. Nothing tells: a foreground deletion of the
// CronJob waits for its Jobs, the garbage collector deletes those in the foreground, too, the API server refuses that while
// the gate is on, and only the controller manager's log shows it.
const parentLook = time.Minute

// heed deletes a Job that carries the gate in the background where its CronJob is being deleted in the foreground, which
// would otherwise wait for as long as the Job runs. The gate holds the Job: its pods are ended gently, it is sealed and let
// go as after any deletion. Of other parents the daemon may not ask.
func (j *Janitor) heed(ctx context.Context, job types.UID, f Facts) error {
	if f.Job == nil || f.Job.DeletionTimestamp != nil || !has(f.Job.Finalizers, mark.Finalizer) || !j.cfg.Acts() {
		return nil
	}
	parent := metav1.GetControllerOf(f.Job)
	if parent == nil || !isCronJob(*parent) {
		return nil
	}
	j.seen.AddAfter(job, parentLook)
	fades, err := j.cluster.fades(ctx, f.Job.Namespace, *parent)
	if err != nil || !fades || !j.first(job, f.Job) {
		return err
	}
	now, ok, err := j.ours(ctx, f, nil, true)
	ok = ok && has(now.Job.Finalizers, mark.Finalizer) && now.Job.DeletionTimestamp == nil
	if ok && err == nil {
		err = j.follow(ctx, now, parent.Name)
	}
	if !ok || err != nil {
		j.undo(job, f.Job)
	}
	return err
}

// follow deletes the Job after its parent. Its version is in the deletion, so that the gate is on when it begins.
func (j *Janitor) follow(ctx context.Context, f Facts, parent string) error {
	says := "CronJob " + parent + " is deleted in the foreground, so the Job is deleted, too: in the background, for its logs are not archived yet"
	err := j.cluster.deleteJob(ctx, f.Job)
	if apierrors.IsForbidden(err) { // without cleanup it need not have the right
		says = "CronJob " + parent + " is deleted in the foreground and waits for this Job, whose logs are not archived yet: delete it in the background"
	} else if err != nil {
		return err
	}
	j.say(ctx, f.Job, parentDeleted, says)
	j.log.Info("CronJob of a held Job is deleted in the foreground", "job", f.Job.Name, "cronjob", parent, "err", err)
	return nil
}

func isCronJob(o metav1.OwnerReference) bool {
	return o.Kind == "CronJob" && (o.APIVersion == "" || o.APIVersion == batchv1.SchemeGroupVersion.String())
}

// fades says whether the CronJob is being deleted in the foreground. Without the right to ask it is not known.
func (c cluster) fades(ctx context.Context, namespace string, parent metav1.OwnerReference) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got, err := c.client.BatchV1().CronJobs(namespace).Get(ctx, parent.Name, metav1.GetOptions{})
	if gone(err) || apierrors.IsForbidden(err) || err == nil && got.UID != parent.UID {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at CronJob %s/%s: %w", namespace, parent.Name, err)
	}
	return got.DeletionTimestamp != nil && has(got.Finalizers, metav1.FinalizerDeleteDependents), nil
}
