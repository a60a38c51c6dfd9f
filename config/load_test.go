package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// input is what one start of the daemon is given.
type input struct {
	args []string
	env  map[string]string
	file string // text of the configuration file, "" for none
}

func load(t *testing.T, in input) (Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("epilogue", pflag.ContinueOnError)
	source := Bind(fs)
	args := in.args
	if in.file != "" {
		path := filepath.Join(t.TempDir(), "epilogue.yaml")
		if err := os.WriteFile(path, []byte(in.file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return source.Load(func(name string) (string, bool) { v, ok := in.env[name]; return v, ok })
}

// enough are the settings without which nothing starts.
func enough() map[string]string {
	return map[string]string{"EPILOGUE_NAMESPACE": "jobs", "EPILOGUE_ARCHIVE": "s3://logs/runs"}
}

func with(env map[string]string, pairs ...string) map[string]string {
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return env
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := load(t, input{env: enough()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Spool.Limit, int64(1<<30); got != want {
		t.Errorf("spool limit: got %d, want %d", got, want)
	}
	if got, want := c.Cleanup.TTL, 48*time.Hour; got != want {
		t.Errorf("ttl: got %s, want %s", got, want)
	}
	if got, want := strings.Join(c.Kubernetes.WorkloadLabels, "+"), "epilogue.dev/workload-id"; got != want {
		t.Errorf("workload labels: got %s, want %s", got, want)
	}
	if c.Launch.Enabled || c.Launch.BackoffLimit != nil || c.Launch.FailurePolicy != nil {
		t.Errorf("launch: got %+v, want nothing launched and Kubernetes' own backoff", c.Launch)
	}
}

func TestPrecedence(t *testing.T) {
	const ours, zenmls, key = "EPILOGUE_NAMESPACE", "ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE", "namespace: from-file"
	archive := []string{"--archive=file:///tmp/a"}
	for _, tt := range []struct {
		name string
		in   input
		want string
	}{
		{"flag over all", input{append(archive, "--namespace=from-flag"), map[string]string{ours: "from-ours", zenmls: "from-zenml"}, key}, "from-flag"},
		{"ours over zenml's", input{archive, map[string]string{ours: "from-ours", zenmls: "from-zenml"}, key}, "from-ours"},
		{"zenml's over file", input{archive, map[string]string{zenmls: "from-zenml"}, key}, "from-zenml"},
		{"empty variable is not set", input{archive, map[string]string{ours: "", zenmls: " \n"}, key}, "from-file"},
		{"space around a value goes", input{archive, map[string]string{ours: "from-ours\n"}, ""}, "from-ours"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Kubernetes.Namespace; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFileOverDefault(t *testing.T) {
	c, err := load(t, input{env: enough(), file: `
spool-limit: 2Gi
max-streams: 10
s3-path-style: true
stream-open-rate: 0.5
ttl: 86400
workload-labels: [a.example/id, b]
node-selector: {node-pool: zenml-pool}
tolerations:
- {key: node-pool, operator: Exists}
pod-resources: '{"limits": {"memory": "700Mi"}}'
selector:
`})
	if err != nil {
		t.Fatal(err)
	}
	if c.Spool.Limit != 2<<30 || c.Follow.MaxStreams != 10 || !c.S3.PathStyle || c.Follow.OpenRate != 0.5 || c.Cleanup.TTL != 24*time.Hour {
		t.Errorf("got %+v", c)
	}
	if got, want := strings.Join(c.Kubernetes.WorkloadLabels, "+"), "a.example/id+b"; got != want {
		t.Errorf("workload labels: got %s, want %s", got, want)
	}
	memory := c.Launch.Resources.Limits.Memory().String()
	if c.Launch.NodeSelector["node-pool"] != "zenml-pool" || len(c.Launch.Tolerations) != 1 || memory != "700Mi" {
		t.Errorf("got %+v", c.Launch)
	}
}

func TestListFlagMayBeRepeated(t *testing.T) {
	c, err := load(t, input{args: []string{"--workload-labels=a,b", "--workload-labels=c"}, env: enough()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(c.Kubernetes.WorkloadLabels, "+"), "a+b+c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFileNamedByTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("{namespace: jobs, archive: 'file:///tmp/a'}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, input{env: map[string]string{"EPILOGUE_CONFIG": path}})
	if err != nil || c.Kubernetes.Namespace != "jobs" || c.File != path {
		t.Errorf("got %q from %q, %v", c.Kubernetes.Namespace, c.File, err)
	}
}

func TestNewerSpellingOfConcurrentRunsWins(t *testing.T) {
	const older, newer = "ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS", "ZENML_SERVER_MAX_CONCURRENT_SNAPSHOT_RUNS"
	for _, tt := range []struct {
		name string
		env  []string
		want int
	}{
		{"neither", nil, 2},
		{"older", []string{older, "5"}, 5},
		{"both", []string{older, "5", newer, "7"}, 7},
		{"ours", []string{older, "5", newer, "7", "EPILOGUE_MAX_CONCURRENT_RUNS", "9"}, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, input{env: with(enough(), tt.env...)})
			if got := c.Launch.MaxConcurrent; err != nil || got != tt.want {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestArchive(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Archive
	}{
		{"s3://logs", Archive{Bucket: "logs"}},
		{"s3://my-bucket/run-template-logs/", Archive{Bucket: "my-bucket", Prefix: "run-template-logs"}},
		{"s3://logs/a/b", Archive{Bucket: "logs", Prefix: "a/b"}},
		{"file:///var/lib/archive/", Archive{Dir: "/var/lib/archive"}},
	} {
		c, err := load(t, input{env: with(enough(), "EPILOGUE_ARCHIVE", tt.text)})
		if err != nil || c.Archive != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.text, c.Archive, err, tt.want)
		}
		if got, want := c.Archive.String(), strings.TrimSuffix(tt.text, "/"); got != want {
			t.Errorf("text form: got %s, want %s", got, want)
		}
	}
}

// ZenML's switch for its own copy changes nothing: the bucket is used either way, and ours beats it either way.
func TestExternalLogsDoNotMoveTheArchive(t *testing.T) {
	for _, enabled := range []string{"true", "false", ""} {
		env := map[string]string{"EPILOGUE_NAMESPACE": "jobs", zenml + "ENABLE_EXTERNAL_LOGS": enabled, zenmlAWS + "BUCKET": "s3://theirs/p"}
		if c, err := load(t, input{env: env}); err != nil || c.Archive.Bucket != "theirs" {
			t.Errorf("%q: got %v, %v", enabled, c.Archive, err)
		}
		if c, err := load(t, input{env: with(env, "EPILOGUE_ARCHIVE", "s3://ours")}); err != nil || c.Archive.Bucket != "ours" {
			t.Errorf("%q: got %v, %v", enabled, c.Archive, err)
		}
	}
}

func TestAuto(t *testing.T) {
	const source = "ZENML_SERVER_WORKLOAD_MANAGER_IMPLEMENTATION_SOURCE"
	for _, tt := range []struct {
		name                string
		env                 []string
		pathStyle, launcher bool
	}{
		{"nothing set", nil, false, false},
		{"custom endpoint", []string{"EPILOGUE_S3_ENDPOINT", "http://127.0.0.1:7070/"}, true, false},
		{"custom endpoint, host style", []string{"EPILOGUE_S3_ENDPOINT", "http://s3.example.com", "EPILOGUE_S3_PATH_STYLE", "false"}, false, false},
		{"zenml launches", []string{source, "zenml_cloud_plugins.kubernetes_workload_manager.KubernetesWorkloadManager"}, false, false},
		{"we launch", []string{source, "epilogue_zenml.EpilogueWorkloadManager", "EPILOGUE_SERVICE_ACCOUNT", "runner"}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, input{env: with(enough(), tt.env...)})
			if said := slices.Contains(tt.env, "EPILOGUE_S3_PATH_STYLE"); (c.S3.Style() != nil) != said {
				t.Errorf("got style %v, want the client's own choice unless one is set", c.S3.Style())
			}
			if err != nil || c.S3.PathStyle != tt.pathStyle || c.Launch.Enabled != tt.launcher {
				t.Errorf("got %t %t %v, want %t %t", c.S3.PathStyle, c.Launch.Enabled, err, tt.pathStyle, tt.launcher)
			}
		})
	}
}

// Every name in the table is one that a user can tell apart, and one that Kubernetes does not set by itself.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings() {
		if seen[s.name] {
			t.Errorf("%s stands twice", s.name)
		}
		seen[s.name] = true
		if s.name == "port" || strings.HasPrefix(s.name, "port-") || strings.HasPrefix(s.name, "service-p") || strings.HasPrefix(s.name, "service-h") {
			t.Errorf("%s: Kubernetes sets %s beside a Service called epilogue", s.name, ourEnv(s.name))
		}
		if s.group == "" || s.kind == "" || s.set == nil || !strings.HasSuffix(s.help, ".") {
			t.Errorf("%s is not whole: %+v", s.name, s)
		}
		if err := s.set(&Config{}, s.def); s.def != "" && err != nil {
			t.Errorf("%s: default %q: %v", s.name, s.def, err)
		}
	}
}
