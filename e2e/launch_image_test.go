//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/launch"
)

// registryPort is one that pods and the node reach the registry by, under one name.
const registryPort = 30555

// nodeAddress returns the address of the cluster's node, and its name.
func nodeAddress(ctx context.Context, client kubernetes.Interface) (address, name string, err error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", err
	}
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP && !strings.Contains(a.Address, ":") {
				return a.Address, n.Name, nil
			}
		}
	}
	return "", "", fmt.Errorf("no node has an address: %+v", nodes.Items)
}

// registry starts a registry of the distribution project beside the daemon, which the node has at a port of its own,
// and returns when it is ready.
func (z *zenml) registry(port int32) {
	z.Helper()
	restricted := &corev1.SecurityContext{
		RunAsNonRoot: new(true), AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	meta := metav1.ObjectMeta{Name: "registry", Namespace: z.Namespace, Labels: map[string]string{"app": "registry"}}
	objects := []func() error{
		func() error {
			_, err := z.Client.CoreV1().ConfigMaps(z.Namespace).Create(z.ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{
				"config.yml": "version: 0.1\nstorage: {filesystem: {rootdirectory: /data}}\nhttp: {addr: \":5000\"}\n",
			}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := z.Client.CoreV1().Pods(z.Namespace).Create(z.ctx, &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{
					Name: "registry", Image: z.RegistryImage, ImagePullPolicy: corev1.PullNever, Args: []string{"serve", "/etc/registry/config.yml"},
					SecurityContext: restricted,
					ReadinessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5000)}}, PeriodSeconds: 1},
					VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/registry"}, {Name: "data", MountPath: "/data"}},
				}},
				SecurityContext: &corev1.PodSecurityContext{FSGroup: new(int64(65532))},
				Volumes: []corev1.Volume{
					{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "registry"}}}},
					{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				},
			}}, metav1.CreateOptions{})
			return err
		},
		func() error {
			_, err := z.Client.CoreV1().Services(z.Namespace).Create(z.ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeNodePort, Selector: meta.Labels,
				Ports: []corev1.ServicePort{{Port: 5000, TargetPort: intstr.FromInt32(5000), NodePort: port}},
			}}, metav1.CreateOptions{})
			return err
		},
	}
	for _, create := range objects {
		if err := create(); err != nil {
			z.Fatal(err)
		}
	}
	if err := z.AwaitReady(z.ctx, "app=registry"); err != nil {
		z.Fatal(err)
	}
}

// buildThenRun builds an image that a run already waits for, runs it, and does not build it again.
func (z *zenml) buildThenRun() {
	z.registry(registryPort)
	address, node, err := nodeAddress(z.ctx, z.Client)
	if err != nil {
		z.Fatal(err)
	}
	image := fmt.Sprintf("%s:%d/zenml/zenml-runner:0a1b", address, registryPort)
	build := map[string]any{"dockerfile": "FROM scratch\nLABEL made-by=epilogue\n", "image_name": "zenml-runner:0a1b", "workload_type": "run"}
	path := "/api/v1/namespaces/" + z.Jobs + "/workloads/"
	var builder, runner struct{ Name, Image string }
	z.ask("POST", path+runID(200)+"/builds", build, &builder)
	if builder.Name == "" || builder.Image != image {
		z.Fatalf("got %+v, want a Job that builds %s", builder, image)
	}
	z.ask("POST", path+runID(200)+"/runs", map[string]any{"image": builder.Image}, &runner)
	if job := z.untilOver(builder.Name); job.Status.Succeeded != 1 {
		z.Fatalf("the build ended with %+v", job.Status)
	}
	z.pull(node, image)
	if job := z.untilOver(runner.Name); job.Status.Succeeded != 1 {
		z.Fatalf("the run ended with %+v", job.Status)
	}
	ms, err := z.AwaitManifests(z.ctx, runner.Name, 1)
	if err != nil {
		z.Fatal(err)
	}
	var text strings.Builder
	if ms[0].Instances[0].Verdict != archive.Complete {
		z.Fatalf("got %+v, want a complete log", ms[0].Instances[0])
	}
	if err := z.Text(z.ctx, ms[0].Instances[0].Log.Key, &text); err != nil {
		z.Fatal(err)
	}
	if want := "this image was built from FROM scratch; LABEL made-by=epilogue"; !strings.Contains(text.String(), want) {
		z.Errorf("the run wrote %q, want %q", text.String(), want)
	}
	var again struct{ Name, Image string }
	z.ask("POST", path+runID(201)+"/builds", build, &again)
	if again.Name != "" || again.Image != image {
		z.Errorf("the second build: got %+v, want the image and no Job", again)
	}
	z.failedBuild(path)
}

// failedBuild fails the run that waits for it, with the end of the build's log.
func (z *zenml) failedBuild(path string) {
	var builder, runner struct{ Name, Image string }
	z.ask("POST", path+runID(202)+"/builds", map[string]any{"dockerfile": "FROM scratch\nRUN false\n", "image_name": "zenml-runner:bad"}, &builder)
	z.ask("POST", path+runID(202)+"/runs", map[string]any{"image": builder.Image}, &runner)
	var s launch.Status
	for !s.State.Over() {
		z.ask("GET", path+runID(202)+"/jobs/"+runner.Name+"?wait=60s", nil, &s)
	}
	if s.State != launch.Cancelled || !strings.Contains(s.Reason, "RUN false: this builder runs nothing") {
		z.Errorf("got %+v, want the end of the build's log", s)
	}
}

// pull makes the node fetch the image from the registry by plain HTTP, which its kubelet is not set up for.
func (z *zenml) pull(node, image string) {
	z.Helper()
	out, err := exec.CommandContext(z.ctx, "docker", "exec", node, "ctr", "-n", "k8s.io", "images", "pull", "--plain-http", image).CombinedOutput()
	if err != nil {
		z.Fatalf("pull %s: %v: %s", image, err, out)
	}
}
