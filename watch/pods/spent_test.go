package pods

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSpent(t *testing.T) {
	now := metav1.Now()
	for _, tt := range []struct {
		name string
		pod  corev1.Pod
		want bool
	}{
		{"runs", corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}}, false},
		{"ended", corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed}}, true},
		{"deleted on its node", corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}, Spec: corev1.PodSpec{NodeName: "node"}}, false},
		{"waits for a node", corev1.Pod{}, false},
		{"deleted before it had one", corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}}, true},
	} {
		if got := Spent(&tt.pod); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}
