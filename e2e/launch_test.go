//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/e2e/stage"
	"github.com/epilogue-dev/epilogue/launch"
)

// launchValues make the daemon a launcher. The pod template is what a namespace of the restricted profile asks for.
const launchValues = `
launcher:
  enabled: true
environment:
  ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT: default
  ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS: 2
  ZENML_KUBERNETES_WORKLOAD_MANAGER_JOB_BACKOFF_LIMIT: 0
  EPILOGUE_POD_TEMPLATE: |-
    {"spec": {"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "main", "imagePullPolicy": "IfNotPresent",
     "securityContext": {"capabilities": {"drop": ["ALL"]}}}]}}
  ZENML_KUBERNETES_WORKLOAD_MANAGER_BUILD_RUNNER_IMAGE: true
  ZENML_KUBERNETES_WORKLOAD_MANAGER_DOCKER_REGISTRY: %[1]s:%[2]d/zenml
  EPILOGUE_REGISTRY_INSECURE: true
  EPILOGUE_BUILDER_IMAGE: %[3]s
  EPILOGUE_BUILDER_TEMPLATE: |-
    {"spec": {"securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [{"name": "main",
     "imagePullPolicy": "Never", "command": ["/builder"], "args": [],
     "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "seccompProfile": null, "appArmorProfile": null}}]}}
`

// launchToken is what must never be seen outside its Secret.
const launchToken = "zen-token-0c7d5be1a2"

// zenml is a ZenML server's way to the daemon: an account with the rights of its documentation, a token, a forward.
type zenml struct {
	*testing.T
	*stage.Stage
	ctx   context.Context //nolint:containedctx // a test's, from its start to its end
	token string

	mu      sync.Mutex
	forward *stage.Forward // guarded by mu; nil: to be opened
}

func newZenML(ctx context.Context, t *testing.T, s *stage.Stage) *zenml {
	t.Helper()
	z := &zenml{T: t, Stage: s, ctx: ctx}
	meta := metav1.ObjectMeta{Name: "zenml", Namespace: s.Jobs}
	if _, err := s.Client.CoreV1().ServiceAccounts(s.Jobs).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Client.RbacV1().Roles(s.Jobs).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create", "get", "list", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Client.RbacV1().RoleBindings(s.Jobs).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "zenml"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "zenml", Namespace: s.Jobs}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Client.CoreV1().ServiceAccounts(s.Jobs).CreateToken(ctx, "zenml", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	z.token = made.Status.Token
	t.Cleanup(func() { z.reopen("") })
	return z
}

// address returns that of a forward that worked a moment ago.
func (z *zenml) address() (string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.forward == nil {
		f, err := z.Forward(z.ctx, "service/epilogue", 8000)
		if err != nil {
			return "", err
		}
		z.forward = f
	}
	return z.forward.Address, nil
}

// reopen drops a forward that broke, as it does when the daemon is killed.
func (z *zenml) reopen(address string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.forward != nil && (address == "" || z.forward.Address == address) {
		z.forward.Close()
		z.forward = nil
	}
}

// ask repeats a request until it is answered with less than 500, as the plug-in does.
func (z *zenml) ask(method, path string, body any, into any) {
	z.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		z.Fatal(err)
	}
	for {
		code, answer, err := z.once(method, path, text)
		switch {
		case err == nil && code < 300:
			if err := json.Unmarshal(answer, into); err != nil {
				z.Fatalf("%s %s: %v in %s", method, path, err, answer)
			}
			return
		case err == nil && code < 500 && code != http.StatusTooManyRequests:
			z.Fatalf("%s %s: got %d %s", method, path, code, answer)
		}
		// The daemon restarts: its readiness is the event to wait for.
		if _, err := z.AwaitDaemon(z.ctx, 0); err != nil {
			z.Fatalf("%s %s: %v after %d %s", method, path, err, code, answer)
		}
	}
}

func (z *zenml) once(method, path string, body []byte) (code int, answer []byte, err error) {
	address, err := z.address()
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(z.ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+z.token)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		z.reopen(address)
		return 0, nil, err
	}
	defer w.Body.Close()
	answer, err = io.ReadAll(w.Body)
	return w.StatusCode, answer, err
}

func runID(n int) string { return fmt.Sprintf("7d0e5b52-2f0a-4a7e-9d11-%012d", n) }

func (z *zenml) submit(n int) string {
	z.Helper()
	var job struct{ Name string }
	z.ask("POST", "/api/v1/namespaces/"+z.Jobs+"/workloads/"+runID(n)+"/runs", map[string]any{
		"image": z.SampleImage, "arguments": strings.Fields("lines -n 200 -rate 100"), "request_id": fmt.Sprint(n),
		"environment": map[string]string{"ZENML_STORE_API_TOKEN": launchToken}, "a_field_of_tomorrow": true,
	}, &job)
	return job.Name
}

// crowd watches the runners' pods: which came when, and how many there are that have not ended.
type crowd struct {
	mu    sync.Mutex
	alive map[string]bool // guarded by mu
	most  int             // guarded by mu
	order []string        // guarded by mu; Jobs in the order of their first pods
}

func (c *crowd) see(e watch.Event) {
	p, ok := e.Object.(*corev1.Pod)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	job := p.Labels["job-name"]
	if e.Type == watch.Added && !slices.Contains(c.order, job) {
		c.order = append(c.order, job)
	}
	delete(c.alive, p.Name)
	if e.Type != watch.Deleted && !stage.Over(p) {
		c.alive[p.Name] = true
	}
	c.most = max(c.most, len(c.alive))
}

func watchCrowd(ctx context.Context, t *testing.T, s *stage.Stage) (*crowd, func()) {
	t.Helper()
	w, err := s.Client.CoreV1().Pods(s.Jobs).Watch(ctx, metav1.ListOptions{LabelSelector: "epilogue.dev/kind=runner"})
	if err != nil {
		t.Fatal(err)
	}
	c, done := &crowd{alive: map[string]bool{}}, make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			c.see(e)
		}
	}()
	return c, func() { w.Stop(); <-done }
}

// TestLauncher has a daemon of its own: it is killed, and it launches.
func TestLauncher(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 8*minute)
	defer cancel()
	tools, err := stage.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if tools.BuilderImage == "" || tools.RegistryImage == "" {
		t.Fatal("EPILOGUE_E2E_BUILDER_IMAGE or EPILOGUE_E2E_REGISTRY_IMAGE not set: make e2e sets what is needed")
	}
	client, err := tools.Client()
	if err != nil {
		t.Fatal(err)
	}
	address, _, err := nodeAddress(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, fmt.Appendf(nil, launchValues, address, registryPort, tools.BuilderImage), 0o600); err != nil {
		t.Fatal(err)
	}
	s := own(t, stage.Config{Namespace: "epilogue-e2e-launch", File: values})
	z := newZenML(ctx, t, s)
	t.Run("twenty runs", func(t *testing.T) { z.T = t; z.twentyRuns() })
	t.Run("plug-in", func(t *testing.T) { z.T = t; z.plugin() })
	t.Run("build then run", func(t *testing.T) { z.T = t; z.buildThenRun() })
	t.Run("command line", func(t *testing.T) { z.T = t; z.commandLine() })
}

// Twenty runs at limit 2, with the daemon killed twice by SIGKILL.
func (z *zenml) twentyRuns() {
	c, stop := watchCrowd(z.ctx, z.T, z.Stage)
	defer stop()
	var names []string
	for n := range 20 {
		if n == 10 {
			z.killDaemon(0) // the next requests come while it is away
		}
		names = append(names, z.submit(n))
	}
	z.untilOver(names[5])
	z.killDaemon(1)
	for n, name := range names {
		job := z.untilOver(name)
		if job.Status.Succeeded != 1 {
			z.Errorf("run %d: got %+v, want it to succeed", n, job.Status)
		}
		if again := z.submit(n); again != name {
			z.Errorf("run %d again: got Job %s, want %s", n, again, name)
		}
		ms, err := z.AwaitManifests(z.ctx, name, 1)
		if err != nil {
			z.Fatal(err)
		}
		if len(ms) != 1 || ms[0].Instances[0].Verdict != archive.Complete || ms[0].Instances[0].Log.Lines != 200 {
			z.Errorf("run %d: got %+v, want one complete log of 200 lines", n, ms)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 2 {
		z.Errorf("%d pods ran at once, want 2 at most", c.most)
	}
	if !inTurn(c.order, names) {
		z.Errorf("pods came in the order %v, want %v", c.order, names)
	}
	z.secretive()
}

// inTurn allows two neighbours to change places: two Jobs are started at once, and their pods are made by a controller
// with several workers.
func inTurn(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i, name := range got {
		at := slices.Index(want, name)
		if at < i-1 || at > i+1 {
			return false
		}
	}
	return true
}

func (z *zenml) killDaemon(restarts int32) {
	z.Helper()
	pod, err := z.AwaitDaemon(z.ctx, restarts)
	if err != nil {
		z.Fatal(err)
	}
	if err := z.KillDaemon(z.ctx, pod); err != nil {
		z.Fatal(err)
	}
}

// untilOver waits for the Job's end at the API server, whatever the daemon does.
func (z *zenml) untilOver(name string) *batchv1.Job {
	z.Helper()
	return z.until(name, func(job *batchv1.Job) bool {
		return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
			return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
		})
	})
}

// until waits until something holds of the Job.
func (z *zenml) until(name string, holds func(*batchv1.Job) bool) *batchv1.Job {
	z.Helper()
	jobs := z.Client.BatchV1().Jobs(z.Jobs)
	for {
		job, err := jobs.Get(z.ctx, name, metav1.GetOptions{})
		if err != nil {
			z.Fatal(err)
		}
		if holds(job) {
			return job
		}
		w, err := jobs.Watch(z.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name, ResourceVersion: job.ResourceVersion})
		if err != nil {
			z.Fatal(err)
		}
		select {
		case <-w.ResultChan():
		case <-z.ctx.Done():
			z.Fatalf("Job %s is waited for in vain: %+v", name, job.Status)
		}
		w.Stop()
	}
}

// secretive looks for the token everywhere but in the Secrets.
func (z *zenml) secretive() {
	z.Helper()
	jobs, err := z.Client.BatchV1().Jobs(z.Jobs).List(z.ctx, metav1.ListOptions{})
	if err != nil {
		z.Fatal(err)
	}
	pods, err := z.Client.CoreV1().Pods(z.Jobs).List(z.ctx, metav1.ListOptions{})
	if err != nil {
		z.Fatal(err)
	}
	events, err := z.Client.CoreV1().Events(z.Jobs).List(z.ctx, metav1.ListOptions{})
	if err != nil {
		z.Fatal(err)
	}
	output, err := z.Output(z.ctx)
	if err != nil {
		z.Fatal(err)
	}
	for what, text := range map[string]string{"the Jobs": jobs.String(), "the pods": pods.String(), "the Events": events.String(), "the daemon's log": output} {
		if strings.Contains(text, launchToken) {
			z.Errorf("%s hold the token", what)
		}
	}
	objects := 0
	for object, err := range z.Store.List(z.ctx, "", "") {
		if err != nil {
			z.Fatal(err)
		}
		body, _, err := z.Store.Get(z.ctx, object.Key, archive.Range{})
		if err != nil {
			continue // a journal object that went meanwhile
		}
		text, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			z.Fatal(err)
		}
		objects++
		if strings.HasSuffix(string(object.Key), ".log.zst") {
			var plain bytes.Buffer
			if err := z.Text(z.ctx, object.Key, &plain); err != nil {
				z.Fatal(err)
			}
			text = append(text, plain.Bytes()...)
		}
		if bytes.Contains(text, []byte(launchToken)) {
			z.Errorf("%s holds the token", object.Key)
		}
	}
	if objects < 60 {
		z.Errorf("looked into %d objects, want three or more for each run", objects)
	}
}

// pluginScript uses the class as a ZenML server does: by its dotted path, made without arguments.
const pluginScript = `
import importlib, json, sys, uuid
from abc import ABC, abstractmethod
from types import ModuleType

class WorkloadManagerInterface(ABC):
    @abstractmethod
    def run(self, workload_id, image, command, arguments, environment=None, sync=True, timeout_in_seconds=0): ...
    @abstractmethod
    def build_and_push_image(self, workload_id, workload_type, dockerfile, image_name, sync=True, timeout_in_seconds=0): ...
    @abstractmethod
    def delete_workload(self, workload_id): ...
    @abstractmethod
    def get_logs(self, workload_id): ...
    @abstractmethod
    def log(self, workload_id, message): ...

for name in ("zenml", "zenml.zen_server", "zenml.zen_server.pipeline_execution"):
    sys.modules[name] = ModuleType(name)
name = "zenml.zen_server.pipeline_execution.workload_manager_interface"
sys.modules[name] = ModuleType(name)
sys.modules[name].WorkloadManagerInterface = WorkloadManagerInterface

module, _, cls = "epilogue_zenml.EpilogueWorkloadManager".rpartition(".")
cls = getattr(importlib.import_module(module), cls)
assert issubclass(cls, WorkloadManagerInterface)
manager = cls()
workload, image = uuid.UUID(sys.argv[1]), sys.argv[2]
manager.log(workload, "Starting pipeline run.")
manager.run(workload_id=workload, image=image, command=[], arguments=["lines", "-n", "5"], environment={"ZENML_STORE_API_TOKEN": "x"}, timeout_in_seconds=180)
manager.log(workload, "Pipeline run started successfully.")
try:
    manager.run(workload_id=workload, image=image, command=[], arguments=["exit", "3"])
except Exception as error:
    failure = str(error)
else:
    failure = ""
entries = [json.loads(line) for line in manager.get_logs(workload).splitlines()]
manager.delete_workload(workload)
json.dump({"entries": entries, "failure": failure}, sys.stdout)
`

// logEntry is what of ZenML's LogEntry matters here.
type logEntry struct {
	Message, Name string
	Level         int
	Timestamp     time.Time
}

// The Python class runs a workload from end to end, and get_logs gives LogEntry lines with the messages between them.
func (z *zenml) plugin() {
	address, err := z.address()
	if err != nil {
		z.Fatal(err)
	}
	token := filepath.Join(z.TempDir(), "token")
	if err := os.WriteFile(token, []byte(z.token), 0o600); err != nil {
		z.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join("..", "deploy", "zenml"))
	if err != nil {
		z.Fatal(err)
	}
	cmd := exec.CommandContext(z.ctx, "python3", "-B", "-c", pluginScript, runID(100), z.SampleImage)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+path, "EPILOGUE_URL=http://"+address, "EPILOGUE_TOKEN_FILE="+token,
		"ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE="+z.Jobs)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		z.Fatalf("%v: %s", err, said.String())
	}
	var got struct {
		Entries []logEntry
		Failure string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		z.Fatalf("%v in %s", err, out)
	}
	if !strings.Contains(got.Failure, string(launch.Failed)) || !strings.Contains(got.Failure, "exit code 3") {
		z.Errorf("a run that fails: got %q, want its exit code", got.Failure)
	}
	// Of the run that wrote nothing.
	e := slices.DeleteFunc(got.Entries, func(entry logEntry) bool { return entry.Level == 30 })
	if len(e) != 7 || e[0].Message != "Starting pipeline run." || e[0].Level != 20 || e[6].Message != "Pipeline run started successfully." {
		z.Fatalf("got %+v, want the messages around five lines", e)
	}
	for _, entry := range e[1:6] {
		if entry.Level != 20 || entry.Timestamp.IsZero() || !strings.HasSuffix(entry.Name, "/main") {
			z.Errorf("got %+v, want a line of the container", entry)
		}
	}
}
