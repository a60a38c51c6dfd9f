package watchtest

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ControlledBy returns the owner of an object that has a controller.
func ControlledBy(version, kind, name, uid string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: types.UID(uid), Controller: new(true)}}
}

// Labelled returns the labels with which the Job controller marks a pod.
func Labelled(name, uid string) map[string]string {
	return map[string]string{"job-name": name, batchv1.ControllerUidLabel: uid}
}

// PodOf returns a pod of one container, "main", with a status.
func PodOf(status corev1.ContainerStatus) *corev1.Pod {
	status.Name = "main"
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u"},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyOnFailure, Containers: []corev1.Container{{Name: "main"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{status}},
	}
}

// Runs and Waits are the states of containers at work, and between two attempts.
var (
	Runs  = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	Waits = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
)

// Ended is the state of an instance that has failed.
func Ended(id string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: 1}}
}
