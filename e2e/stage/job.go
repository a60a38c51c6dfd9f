package stage

import (
	"encoding/json"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Truth is what a sample container says it wrote: its termination message.
type Truth struct {
	Lines  int64  `json:"lines"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// TruthOf reads a container's termination message.
func TruthOf(t *corev1.ContainerStateTerminated) (Truth, error) {
	var truth Truth
	if t == nil {
		return truth, fmt.Errorf("the container has not ended")
	}
	if err := json.Unmarshal([]byte(t.Message), &truth); err != nil {
		return truth, fmt.Errorf("termination message %q is not that of the sample: %w", t.Message, err)
	}
	return truth, nil
}

// Container returns a container of the sample that runs the steps; words are split at spaces.
func (s *Stage) Container(name, steps string) corev1.Container {
	no := false
	return corev1.Container{
		Name: name, Image: s.SampleImage, ImagePullPolicy: corev1.PullNever, Args: strings.Fields(steps),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// Job returns a Job of one try with one container "main" that runs the steps.
func (s *Stage) Job(name, steps string) *batchv1.Job {
	yes, retries, grace := true, int32(0), int64(30)
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Jobs},
		Spec: batchv1.JobSpec{
			BackoffLimit: &retries,
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &grace,
				SecurityContext: &corev1.PodSecurityContext{
					RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
				Containers: []corev1.Container{s.Container("main", steps)},
			}},
		},
	}
}
