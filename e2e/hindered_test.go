//go:build e2e

package e2e

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/e2e/stage"
)

// graces end within seconds what waits for minutes in earnest.
var graces = []string{
	"environment.EPILOGUE_GRACE_IMAGE_PULL=3s", "environment.EPILOGUE_GRACE_IMAGE_NAME=3s", "environment.EPILOGUE_GRACE_CONFIG=3s",
	"environment.EPILOGUE_GRACE_CREATE=3s", "environment.EPILOGUE_GRACE_MOUNT=3s", "environment.EPILOGUE_GRACE_SCHEDULE=3s",
	"environment.EPILOGUE_GRACE_NO_POD=3s", "environment.EPILOGUE_CRASH_LOOPS=1",
}

// Whatever keeps a pod from starting, or a Job from getting one: it is ended, its Job fails, and an Event says why.
func hindered(t *testing.T, s *stage.Stage) {
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "disk"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceRequestsEphemeralStorage: resource.MustParse("1Mi")}},
	}
	if _, err := s.Client.CoreV1().ResourceQuotas(s.Jobs).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	absent := corev1.LocalObjectReference{Name: "absent"}
	for _, tt := range []struct {
		name, says string
		change     func(*corev1.PodSpec, *corev1.Container)
	}{
		{"image-name", "InvalidImageName", func(_ *corev1.PodSpec, c *corev1.Container) { c.Image = "No/Image:::" }},
		{"image-never", "ErrImageNeverPull", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Image, c.ImagePullPolicy = unpullable, corev1.PullNever
		}},
		{"config", "CreateContainerConfigError", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: absent}}}
		}},
		{"mount", "FailedMount", func(p *corev1.PodSpec, c *corev1.Container) {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "absent", MountPath: "/absent"})
			p.Volumes = append(p.Volumes, corev1.Volume{
				Name: "absent", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "absent"}},
			})
		}},
		// By a policy of its own: the restarts of a pod that is restarted on failure its Job's controller counts.
		{"crash-loop", "CrashLoopBackOff", func(_ *corev1.PodSpec, c *corev1.Container) {
			again := corev1.ContainerRestartPolicyOnFailure
			c.RestartPolicy, c.Args = &again, []string{"exit", "1"}
		}},
		{"no-node", "Unschedulable", func(p *corev1.PodSpec, _ *corev1.Container) { p.NodeSelector = map[string]string{"node": "absent"} }},
		{"quota", "exceeded quota", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Resources.Requests = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("10Mi")}
		}},
		{"refused", "serviceaccount", func(p *corev1.PodSpec, _ *corev1.Container) { p.ServiceAccountName = "absent" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			job := s.Job("hindered-"+tt.name, "until -rate 1 -last 0")
			spec := &job.Spec.Template.Spec
			tt.change(spec, &spec.Containers[0])
			p := start(t, s, job, 2*minute)
			event, err := s.AwaitEvent(p.ctx, p.job, "PodCannotStart")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(event.Message, tt.says) || !strings.Contains(event.Message, "(grace-") && !strings.Contains(event.Message, "(crash-loops ") {
				t.Errorf("got Event %q, want %q and a setting in it", event.Message, tt.says)
			}
			// Else its kubelet, which waits for the volume, looks at the deadline after two minutes.
			if tt.says == "FailedMount" {
				p.pod(func(pod *corev1.Pod) bool { return pod.Spec.ActiveDeadlineSeconds != nil })
				secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "absent"}}
				if _, err := s.Client.CoreV1().Secrets(s.Jobs).Create(p.ctx, secret, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			if failed := stage.FinishOf(p.awaitJob(stage.Finished)); failed.Type != batchv1.JobFailed {
				t.Errorf("got condition %+v, want the Job failed", failed)
			}
		})
	}
}
