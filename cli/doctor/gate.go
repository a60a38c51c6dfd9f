package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/pages"
)

// patience is how long a Job that somebody deleted may wait for its logs before that is strange.
const patience = 10 * time.Minute

// gate looks for Jobs that are to go and cannot.
func (v *visit) gate(ctx context.Context) {
	held, going, err := v.gated(ctx)
	if err != nil {
		v.say(Note, fmt.Sprintf("whether Jobs hang on the gate is not known: %v", err), "ask as somebody who may list Jobs")
		return
	}
	if going > 0 && !slices.ContainsFunc(v.pods, func(p daemonPod) bool { return p.ready }) {
		v.say(Bad, fmt.Sprintf("%d Jobs that were deleted run on, for no daemon is there to end their pods; what has replaced them runs beside them", going),
			"bring the daemon back, which ends them with their logs, or let them go: kubectl epilogue release NAME. "+
				"Where two at once do harm, annotate the CronJob's jobTemplate with "+mark.Gate+": "+mark.GatePods)
	}
	pods, err := v.heldPods(ctx)
	if err != nil {
		v.say(Note, fmt.Sprintf("whether pods hang on the gate is not known: %v", err), "ask as somebody who may list pods")
	}
	what := fmt.Sprintf("%d Jobs", held)
	if pods > 0 {
		what += fmt.Sprintf(" and %d pods", pods)
	}
	if held+pods > 0 && len(v.pods) == 0 {
		v.say(Bad, what+" carry the gate and no daemon is there to release them", "install the daemon again, or let them go: kubectl epilogue release --all")
	} else {
		v.good("%s of %s carry the gate", what, v.Namespace)
	}
	v.replacing(ctx)
}

// replacing names the CronJobs whose Jobs would run on beside each other while no daemon is there. Who may not list
// them is told nothing: it is a hint.
func (v *visit) replacing(ctx context.Context) {
	list, err := v.Client.BatchV1().CronJobs(v.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for i := range list.Items {
		c := &list.Items[i]
		said := c.Spec.JobTemplate.Annotations
		if c.Spec.ConcurrencyPolicy == batchv1.ReplaceConcurrent && said[mark.Gate] == "" && said[mark.Released] == "" {
			v.say(Note, fmt.Sprintf("CronJob %s replaces Jobs that run: while no daemon is there the gate lets those run on beside the next", c.Name),
				"nothing, unless two at once do harm; then annotate its jobTemplate with "+mark.Gate+": "+mark.GatePods)
		}
	}
}

// gated counts the Jobs that carry the gate, and those of them that were deleted and run on.
func (v *visit) gated(ctx context.Context) (held, going int, err error) {
	for job, err := range pages.Jobs(ctx, v.Client, v.Namespace, metav1.ListOptions{}) {
		if err != nil {
			return held, going, err
		}
		if !slices.Contains(job.Finalizers, mark.Finalizer) {
			continue
		}
		held++
		if job.DeletionTimestamp != nil && job.Status.Active > 0 {
			going++
		}
		v.stuck("Job", job.Name, job.ObjectMeta)
	}
	return held, going, nil
}

// heldPods counts the pods that carry the gate, as those whose Job must not.
func (v *visit) heldPods(ctx context.Context) (held int, err error) {
	for pod, err := range pages.Pods(ctx, v.Client, v.Namespace, metav1.ListOptions{}) {
		if err != nil {
			return held, err
		}
		if !slices.Contains(pod.Finalizers, mark.Finalizer) {
			continue
		}
		held++
		if owner := metav1.GetControllerOf(pod); owner != nil {
			v.stuck("pod", owner.Name, pod.ObjectMeta)
		}
	}
	return held, nil
}

// stuck tells of what waits for too long; by the name of its Job it is let go.
func (v *visit) stuck(kind, job string, of metav1.ObjectMeta) {
	if v.goes || of.DeletionTimestamp == nil || v.Now().Sub(of.DeletionTimestamp.Time) < patience {
		return
	}
	v.say(Bad, fmt.Sprintf("%s %s was deleted %s ago and still waits for its logs", kind, of.Name, duration.HumanDuration(v.Now().Sub(of.DeletionTimestamp.Time))),
		fmt.Sprintf("see that the daemon is well and its store answers; to let it go without: kubectl epilogue release %s -n %s", job, of.Namespace))
}
