package cleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/pages"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// step is one operation of a JSON patch (RFC 6902). A remove has no value; one that is there is passed over.
type step struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// openGate takes the finalizer off, and fails where it is no longer at its place. It is empty where there is none.
func openGate(meta metav1.ObjectMeta) []step {
	i := slices.Index(meta.Finalizers, mark.Finalizer)
	if i < 0 {
		return nil
	}
	path := fmt.Sprintf("/metadata/finalizers/%d", i)
	return []step{{"test", path, mark.Finalizer}, {"remove", path, nil}}
}

// giveBack returns a TTL that was taken over. One that somebody has set since stands, and what is no number stays where
// it is.
func giveBack(job *batchv1.Job) []step {
	text := job.Annotations[mark.AdoptedTTL]
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil || seconds < 0 {
		return nil
	}
	at := "/metadata/annotations/" + strings.ReplaceAll(mark.AdoptedTTL, "/", "~1")
	patch := []step{{"test", at, text}, {"remove", at, nil}}
	if job.Spec.TTLSecondsAfterFinished == nil {
		patch = append(patch, step{"add", "/spec/ttlSecondsAfterFinished", seconds})
	}
	return patch
}

// patch changes the object of that UID, and no other one under its name.
func (r *Releaser) patch(ctx context.Context, object metav1.Object, steps []step) error {
	text, err := json.Marshal(append([]step{{"test", "/metadata/uid", object.GetUID()}}, steps...))
	if err != nil {
		return err
	}
	if _, ok := object.(*batchv1.Job); ok {
		_, err = r.client.BatchV1().Jobs(object.GetNamespace()).Patch(ctx, object.GetName(), types.JSONPatchType, text, metav1.PatchOptions{})
		return err
	}
	_, err = r.client.CoreV1().Pods(object.GetNamespace()).Patch(ctx, object.GetName(), types.JSONPatchType, text, metav1.PatchOptions{})
	return err
}

// released is the mark that keeps the gate off a Job whose finalizer goes: no daemon puts it on again.
func released() map[string]string {
	return map[string]string{mark.Released: time.Now().UTC().Format(time.RFC3339)}
}

// mark comes before the finalizer goes: a daemon that sees the Job in between must not put it on again.
func (r *Releaser) mark(ctx context.Context, job *batchv1.Job) error {
	if r.cfg.ForGood {
		return nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         job.UID,
		"annotations": released(),
	}})
	if err != nil {
		return err
	}
	_, err = r.client.BatchV1().Jobs(job.Namespace).Patch(ctx, job.Name, types.MergePatchType, text, metav1.PatchOptions{})
	return err
}

// left frees pods of Jobs that had the name and are gone: pods are held in their Job's place where its name comes
// again. It says how many these were. Of the Jobs that are there the pods are none of these.
func (r *Releaser) left(ctx context.Context, name string, there []batchv1.Job) (freed int, err error) {
	options := metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + name}
	for pod, err := range pages.Pods(ctx, r.client, r.cfg.Namespace, options) {
		if err != nil {
			return freed, fmt.Errorf("list pods of Job %s/%s: %w", r.cfg.Namespace, name, err)
		}
		owner := metav1.GetControllerOf(pod)
		if owner == nil || !pods.IsJob(*owner) || owner.Name != name ||
			slices.ContainsFunc(there, func(j batchv1.Job) bool { return j.UID == owner.UID }) {
			continue
		}
		done, err := r.pod(ctx, pod)
		if err != nil {
			return freed, err
		}
		freed += done
	}
	return freed, nil
}
