package pods

import (
	"cmp"
	"regexp"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/epilogue-dev/epilogue/archive"
)

// Whose a pod is stands in its metadata, which any user writes who may create pods, and names of it become keys of the
// archive. The API server does not check them: of an owner it only wants that it has a name and a UID. So all of it
// comes in here. What is not believed costs no log: such a pod is kept without a Job, and its manifest says why.

// Why a pod that names a Job is kept without one.
const (
	noSuchName  = "its owner has a name or a UID that Kubernetes gives no Job"
	noSuchLabel = "its labels name a Job as none can be called"
	NoSuchJob   = "its labels name a Job that it does not belong to, and no owner vouches for them"
)

// Claim returns the Job that a pod says to be of: that of its controller, or that of the labels which the Job's
// controller has set, for a Job that is deleted as `--cascade=orphan` does it takes its name off its pods. why says,
// where there is none, that there would be one with another name.
func Claim(pod *corev1.Pod) (owner *metav1.OwnerReference, why string) {
	if controller := metav1.GetControllerOf(pod); controller != nil {
		switch {
		case controller.APIVersion != batchv1.SchemeGroupVersion.String() || controller.Kind != "Job":
			return nil, ""
		case !isJobName(controller.Name) || !isUID(controller.UID):
			return nil, noSuchName
		}
		return controller, ""
	}
	name, uid := pod.Labels[JobLabel], types.UID(cmp.Or(pod.Labels[batchv1.ControllerUidLabel], pod.Labels["controller-uid"]))
	switch {
	case name == "" || uid == "":
		return nil, ""
	case !isJobName(name) || !isUID(uid):
		return nil, noSuchLabel
	}
	return &metav1.OwnerReference{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: name, UID: uid}, ""
}

// Job returns the Job that the pod says to be of, nil where that is none.
func Job(pod *corev1.Pod) *metav1.OwnerReference {
	owner, _ := Claim(pod)
	return owner
}

// Controlled reports whether the pod's Job is its controller, so that the API server has it that way and no label
// alone.
func Controlled(pod *corev1.Pod) bool { return metav1.GetControllerOf(pod) != nil && Job(pod) != nil }

// IsJob reports whether an owner is a Job: other groups have a kind of that name, too.
func IsJob(owner metav1.OwnerReference) bool {
	group, _, _ := strings.Cut(owner.APIVersion, "/")
	return owner.Kind == "Job" && (group == batchv1.GroupName || group == "")
}

func isJobName(name string) bool { return len(validation.IsDNS1123Subdomain(name)) == 0 }

// uidForm is wider than the UUIDs that API servers give, and narrower than what could be part of a key by another
// meaning.
var uidForm = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?$`)

func isUID(uid types.UID) bool { return uidForm.MatchString(string(uid)) }

// isWorkload: a workload's id is a label's value or a UUID.
func isWorkload(id string) bool { return id != "" && len(validation.IsValidLabelValue(id)) == 0 }

// Ref names the pod for the archive, by what it says of itself.
func Ref(pod *corev1.Pod) archive.PodRef {
	ref := archive.PodRef{Namespace: pod.Namespace, Pod: pod.Name, PodUID: archive.PodUID(pod.UID)}
	if owner := Job(pod); owner != nil {
		ref.Job, ref.JobUID = owner.Name, archive.JobUID(owner.UID)
	}
	return ref
}

// JobLabel is on every pod that the Job controller makes, since long before Kubernetes 1.24.
const JobLabel = "job-name"
