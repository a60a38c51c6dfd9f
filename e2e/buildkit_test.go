//go:build e2e && buildkit

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
	"github.com/epilogue-dev/epilogue/launch"
)

// buildkitValues leave the builder as it is by default. Only its image is one that can be had without a registry, and
// already there.
const buildkitValues = `
launcher:
  enabled: true
environment:
  ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT: default
  ZENML_KUBERNETES_WORKLOAD_MANAGER_JOB_BACKOFF_LIMIT: 0
  ZENML_KUBERNETES_WORKLOAD_MANAGER_BUILD_RUNNER_IMAGE: true
  ZENML_KUBERNETES_WORKLOAD_MANAGER_DOCKER_REGISTRY: %[1]s:%[2]d/zenml
  EPILOGUE_REGISTRY_INSECURE: true
  EPILOGUE_BUILDER_IMAGE: %[3]s
`

// buildkitFile has no base image, for there is no registry to pull one from: what its RUN runs comes by HTTP.
const buildkitFile = `FROM scratch
ADD --chmod=755 http://%s/sample /sample
RUN ["/sample", "lines", "-n", "3"]
LABEL made-by=epilogue
ENTRYPOINT ["/sample"]
USER 65532:65532
`

// TestBuildKit builds and pushes an image by the builder that is the default, BuildKit without root and without a
// daemon, in a pod of the cluster, and runs it. It pulls nothing, so that no registry is needed but the one that it
// pushes to. The namespace admits what such a builder needs.
func TestBuildKit(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 6*minute)
	defer cancel()
	tools, err := stage.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	image := os.Getenv("EPILOGUE_E2E_BUILDKIT_IMAGE")
	if image == "" {
		t.Fatal("EPILOGUE_E2E_BUILDKIT_IMAGE not set: make buildkit sets what is needed")
	}
	client, err := tools.Client()
	if err != nil {
		t.Fatal(err)
	}
	address, node, err := nodeAddress(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	const port = registryPort + 1
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, fmt.Appendf(nil, buildkitValues, address, port, image), 0o600); err != nil {
		t.Fatal(err)
	}
	s := own(t, stage.Config{Namespace: "epilogue-e2e-buildkit", File: values, Profile: "privileged"})
	z := newZenML(ctx, t, s)
	z.registry(port)
	dockerfile := fmt.Sprintf(buildkitFile, z.serveSample(address))
	path := "/api/v1/namespaces/" + z.Jobs + "/workloads/" + runID(500)
	var built, ran struct{ Name, Image string }
	z.ask("POST", path+"/builds", map[string]any{"dockerfile": dockerfile, "image_name": "zenml-runner:kit"}, &built)
	if job := z.untilOver(built.Name); job.Status.Succeeded != 1 {
		t.Fatalf("the build ended with %+v:\n%s", job.Status, z.textOf(built.Name))
	}
	for _, want := range []string{"line 000000003", "pushing manifest"} {
		if text := z.textOf(built.Name); !strings.Contains(text, want) {
			t.Errorf("the builder wrote %q, want %q in it", text, want)
		}
	}
	z.pull(node, built.Image)
	z.ask("POST", path+"/runs", map[string]any{"image": built.Image, "arguments": []string{"lines", "-n", "7"}}, &ran)
	if job := z.untilOver(ran.Name); job.Status.Succeeded != 1 || strings.Count(z.textOf(ran.Name), "\n") != 7 {
		t.Errorf("the run of that image ended with %+v and wrote %q, want seven lines", job.Status, z.textOf(ran.Name))
	}
	var again struct{ Name, Image string }
	z.ask("POST", path+"/builds", map[string]any{"dockerfile": dockerfile, "image_name": "zenml-runner:kit"}, &again)
	if again.Name != "" || again.Image != built.Image {
		t.Errorf("the second build: got %+v, want the image and no Job", again)
	}
	// What cannot be built fails, and says why.
	z.ask("POST", path+"/builds", map[string]any{"dockerfile": "FROM scratch\nCOPY none /none\n", "image_name": "zenml-runner:bad"}, &built)
	var status launch.Status
	for !status.State.Over() {
		z.ask("GET", path+"/jobs/"+built.Name+"?wait=60s", nil, &status)
	}
	if text := z.textOf(built.Name); status.State != launch.Failed || !strings.Contains(text, "/none") {
		t.Errorf("got %+v and %q, want it to fail for what is not there", status, text)
	}
}

// textOf returns the archived log of a Job.
func (z *zenml) textOf(job string) string {
	z.Helper()
	ms, err := z.AwaitManifests(z.ctx, job, 1)
	if err != nil {
		z.Fatal(err)
	}
	r := ms[0].Instances[0]
	if r.Verdict != archive.Complete {
		z.Errorf("got %+v, want a complete log", r)
	}
	var text strings.Builder
	if r.Log != nil {
		if err := z.Text(z.ctx, r.Log.Key, &text); err != nil {
			z.Fatal(err)
		}
	}
	return text.String()
}

// serveSample serves the sample program where the cluster's node reaches it, until the test ends, and returns host and
// port.
func (z *zenml) serveSample(node string) string {
	z.Helper()
	dir := z.TempDir()
	build := exec.CommandContext(z.ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "sample"), "./sample")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		z.Fatalf("build the sample: %v: %s", err, out)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		z.Fatal(err)
	}
	for _, a := range addresses {
		near, ok := a.(*net.IPNet)
		if !ok || !near.Contains(net.ParseIP(node)) {
			continue
		}
		server := httptest.NewUnstartedServer(http.FileServer(http.Dir(dir)))
		_ = server.Listener.Close() // on the loopback, where no pod comes
		if server.Listener, err = (&net.ListenConfig{}).Listen(z.ctx, "tcp", net.JoinHostPort(near.IP.String(), "0")); err != nil {
			z.Fatal(err)
		}
		server.Start()
		z.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	z.Fatalf("no address of this machine is in the network of the node %s: %v", node, addresses)
	return ""
}
