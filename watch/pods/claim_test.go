package pods

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

func TestClaim(t *testing.T) {
	for _, c := range []struct {
		name   string
		owners []metav1.OwnerReference
		labels map[string]string
		job    string
		why    string
	}{
		{"a Job's", watchtest.ControlledBy("batch/v1", "Job", "a.job", "0f3c9f5e-7a51-4d3b-9a44-6d0c6a1a2b3c"), nil, "a.job", ""},
		{"another kind of Job's", watchtest.ControlledBy("batch.volcano.sh/v1alpha1", "Job", "job", "uid"), watchtest.Labelled("job", "uid"), "", ""},
		{"a ReplicaSet's", watchtest.ControlledBy("apps/v1", "ReplicaSet", "job", "uid"), nil, "", ""},
		{"nobody's", nil, nil, "", ""},
		{"labelled", nil, watchtest.Labelled("job", "uid"), "job", ""},
		{"an owner with a path for a name", watchtest.ControlledBy("batch/v1", "Job", "../../secret", "uid"), nil, "", noSuchName},
		{"an owner with a control character in its name", watchtest.ControlledBy("batch/v1", "Job", "x\x01", "uid"), nil, "", noSuchName},
		{"an owner with an endless name", watchtest.ControlledBy("batch/v1", "Job", strings.Repeat("x", 1100), "uid"), nil, "", noSuchName},
		{"an owner with a path for a UID", watchtest.ControlledBy("batch/v1", "Job", "job", "u/../v"), nil, "", noSuchName},
		{"an owner with an endless UID", watchtest.ControlledBy("batch/v1", "Job", "job", strings.Repeat("u", 1100)), nil, "", noSuchName},
		{"a label that is no name", nil, watchtest.Labelled("A_Job", "uid"), "", noSuchLabel},
		{"a label that is no UID", nil, watchtest.Labelled("job", "u.v"), "", noSuchLabel},
		{"a label alone", nil, map[string]string{JobLabel: "job"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := watchtest.PodOf(corev1.ContainerStatus{})
			pod.OwnerReferences, pod.Labels = c.owners, c.labels
			owner, why := Claim(pod)
			if (owner == nil) != (c.job == "") || owner != nil && owner.Name != c.job || why != c.why {
				t.Errorf("got %v and %q, want Job %q and %q", owner, why, c.job, c.why)
			}
		})
	}
}

func TestOrphanKeepsItsPlace(t *testing.T) {
	labels := map[string]string{JobLabel: "job", batchv1.ControllerUidLabel: "job-uid"}
	owner := metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "job", UID: "job-uid", Controller: new(true)}
	want := archive.PodRef{Namespace: "jobs", Job: "job", JobUID: "job-uid", Pod: "pod", PodUID: "pod-uid"}
	for _, tt := range []struct {
		name   string
		labels map[string]string
		owners []metav1.OwnerReference
		bare   bool
	}{
		{"of its Job", labels, []metav1.OwnerReference{owner}, false},
		{"orphaned", labels, nil, false},
		{"orphaned on an old server", map[string]string{JobLabel: "job", "controller-uid": "job-uid"}, nil, false},
		{"labelled by somebody else", map[string]string{JobLabel: "job"}, nil, true},
		{"of another controller", labels, []metav1.OwnerReference{{Kind: "ReplicaSet", Controller: new(true)}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Ref(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Namespace: "jobs", Name: "pod", UID: "pod-uid", Labels: tt.labels, OwnerReferences: tt.owners,
			}})
			if tt.bare != (got.Job == "") || !tt.bare && got != want {
				t.Errorf("got %+v, want %+v (bare: %t)", got, want, tt.bare)
			}
		})
	}
}
