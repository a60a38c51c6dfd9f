package launch

import (
	corev1 "k8s.io/api/core/v1"
)

// Where a builder finds what it needs, whatever its image: its template may count on these.
const (
	dockerfileDir = "/epilogue/dockerfile" // holds one file, Dockerfile, and is the empty context, too
	dockerConfig  = "/epilogue/docker"     // holds config.json where there are credentials
	imageVariable = "EPILOGUE_IMAGE"       // full name of the image to push
)

// rootless is the user of BuildKit's rootless image.
const rootless = 1000

// builder returns the pod of a builder: BuildKit without a daemon and without root, which needs its own user namespace
// and so neither the seccomp nor the AppArmor profile that would forbid one. ZenML's Dockerfiles copy nothing, so the
// context is the folder of the Dockerfile.
func (s Shape) builder(image, contents, credentials string, server Server) corev1.PodTemplateSpec {
	output := "type=image,name=$(" + imageVariable + "),push=true"
	if s.Insecure {
		output += ",registry.insecure=true"
	}
	pod := s.pod(corev1.Container{
		Image:   s.BuilderImage,
		Command: []string{"buildctl-daemonless.sh"},
		Args: []string{
			"build", "--progress=plain", "--frontend=dockerfile.v0",
			"--local=context=" + dockerfileDir, "--local=dockerfile=" + dockerfileDir, "--output=" + output,
		},
		Env: []corev1.EnvVar{
			{Name: imageVariable, Value: image},
			// Without it the builder would have to be privileged to hide its processes from the build.
			{Name: "BUILDKITD_FLAGS", Value: "--oci-worker-no-process-sandbox"},
		},
		SecurityContext: &corev1.SecurityContext{
			RunAsUser: new(int64(rootless)), RunAsGroup: new(int64(rootless)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
		},
	})
	allowUserNamespaces(&pod, server)
	mount(&pod, corev1.Volume{Name: "dockerfile", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: contents}},
	}}, dockerfileDir, true)
	mount(&pod, corev1.Volume{Name: "buildkitd", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		"/home/user/.local/share/buildkit", false)
	if credentials != "" {
		mount(&pod, corev1.Volume{Name: "credentials", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: credentials,
			Items:      []corev1.KeyToPath{{Key: corev1.DockerConfigJsonKey, Path: "config.json"}},
		}}}, dockerConfig, true)
		c := &pod.Spec.Containers[0]
		c.Env = append(c.Env, corev1.EnvVar{Name: "DOCKER_CONFIG", Value: dockerConfig})
	}
	return pod
}

// allowUserNamespaces takes the AppArmor profile away, in the server's own way.
func allowUserNamespaces(pod *corev1.PodTemplateSpec, server Server) {
	if server.knows(knowsAppArmor) {
		pod.Spec.Containers[0].SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		return
	}
	pod.Annotations = with(pod.Annotations, map[string]string{corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + mainContainer: "unconfined"})
}

func mount(pod *corev1.PodTemplateSpec, v corev1.Volume, at string, readOnly bool) {
	pod.Spec.Volumes = append(pod.Spec.Volumes, v)
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: at, ReadOnly: readOnly})
}
