package watchtest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Secret must not be found in anything that is archived.
const Secret = "a-token-that-never-expires"

// RunID is the workload that the arguments of Secretive name.
const RunID = "0f3c9f5e-7a51-4d3b-9a44-6d0c6a1a2b3c"

// Secretive is a pod spec that has the secret wherever one can stand.
func Secretive() corev1.PodSpec {
	c := corev1.Container{
		Name: "main", Image: "registry.example/main:1", Command: []string{"run", "--token", Secret},
		Args:    []string{Secret, "--run_id", RunID, "--snapshot_id=" + strings.ToUpper(RunID)},
		Env:     []corev1.EnvVar{{Name: "ZENML_STORE_API_TOKEN", Value: Secret}},
		EnvFrom: []corev1.EnvFromSource{{Prefix: Secret}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			Exec: &corev1.ExecAction{Command: []string{Secret}},
		}},
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{Secret}}}},
	}
	init := c
	init.Name = "init"
	return corev1.PodSpec{
		InitContainers: []corev1.Container{init}, Containers: []corev1.Container{c}, NodeName: "node",
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debug", Env: []corev1.EnvVar{{Name: "T", Value: Secret}}, Args: []string{Secret},
		}}},
	}
}

// SecretiveMeta is the metadata of an object with the secret wherever one can stand.
func SecretiveMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: "p", Labels: map[string]string{"job-name": "j"},
		ManagedFields: []metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(Secret)}},
		Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: Secret, "cache.epilogue.dev/workload-ids": Secret, "cache.epilogue.dev/anything": Secret,
			"example.com/anything": Secret,
			"zenml.io/pipeline":    "kept", "epilogue.dev/keep": "true",
			"helm.sh/hook": "pre-upgrade", "argocd.argoproj.io/hook": "Sync", "kubectl.kubernetes.io/default-container": "main",
		},
	}
}
