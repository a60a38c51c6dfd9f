package pods

import (
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// Kind returns the kind of a trimmed Job: as the launcher has labelled it, or by the arguments that only runners have.
// "": not known.
func Kind(job *batchv1.Job) string {
	if kind := job.Labels[mark.Kind]; kind != "" {
		return kind
	}
	if job.Annotations[WorkloadIDs] != "" {
		return mark.Runner
	}
	return ""
}

// Workloads returns the ids of the workloads that the object belongs to: from the labels that are configured, and from
// the arguments.
func Workloads(labels []string, objects ...metav1.Object) []string {
	var ids []string
	add := func(id string) {
		if isWorkload(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, o := range objects {
		for _, label := range labels {
			add(o.GetLabels()[label])
		}
		for id := range strings.SplitSeq(o.GetAnnotations()[WorkloadIDs], ",") {
			add(id)
		}
	}
	return ids
}
