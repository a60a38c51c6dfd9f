package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// wantLines compares an error with the lines that a user should read.
func wantLines(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want:\n%s", strings.Join(want, "\n"))
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// Each wrong value gives its one line, by the name under which it came in.
func TestWrongValues(t *testing.T) {
	for _, tt := range []struct{ env, value, want string }{
		{"EPILOGUE_NAMESPACE", "My_Jobs", `want the name of one namespace: up to 63 lower-case letters, digits and hyphens, such as zenml-workload-manager`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT", "a b", `want the name of a service account: lower-case letters, digits, hyphens and dots, such as zenml-workload-manager`},
		{"EPILOGUE_WORKLOAD_LABELS", "a,,b", `want label keys separated by commas, such as epilogue.dev/workload-id; "" is none`},
		{"EPILOGUE_API_QPS", "-1", `want a number per second above 0 and up to 100000, such as 50 or 0.5`},
		{"EPILOGUE_API_QPS", "NaN", `want a number per second above 0 and up to 100000, such as 50 or 0.5`},
		{"EPILOGUE_API_BURST", "0", `want a whole number from 1 to 100000`},
		{"EPILOGUE_ARCHIVE", "s3://Logs", `want s3://bucket/prefix with a bucket's name of 3 to 63 lower-case letters, digits, dots and hyphens`},
		{"EPILOGUE_ARCHIVE", "s3://logs/a//b", `want a prefix without empty, . or .. parts, such as s3://logs/a/b`},
		{"EPILOGUE_ARCHIVE", "s3://logs/a b", `want a prefix without spaces, control characters, ?, # or backslash, such as s3://bucket/run-logs`},
		{"EPILOGUE_ARCHIVE", "file://logs", `want an absolute path after file://, such as file:///logs`},
		{"EPILOGUE_ARCHIVE", "/var/logs", `want a URL; for a directory write file:///var/logs`},
		{"EPILOGUE_ARCHIVE", "gs://logs", `want s3://bucket/prefix or file:///directory`},
		{"EPILOGUE_S3_ENDPOINT", "minio:9000", `want a URL such as https://minio.example.com:9000`},
		{"ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_REGION", "EU central", `want the name of an AWS region, such as eu-central-1`},
		{"EPILOGUE_S3_PATH_STYLE", "maybe", `want auto, true or false`},
		{"EPILOGUE_S3_ENCRYPTION", "kms", `want AES256, aws:kms or aws:kms:dsse`},
		{"EPILOGUE_S3_KMS_KEY", "alias/logs", `want s3-encryption aws:kms besides (s3-encryption is "")`},
		{"EPILOGUE_S3_STORAGE_CLASS", "GLACIER", `want a storage class that is read without a restoration, such as STANDARD_IA or GLACIER_IR`},
		{"EPILOGUE_S3_TAGS", "team=data,cost", `want tags such as team=data,cost=7, each name once, of letters, digits, spaces and + - = . _ : / @; "cost" is none`},
		{"EPILOGUE_S3_TAGS", "a=1,a=2", `want tags such as team=data,cost=7, each name once, of letters, digits, spaces and + - = . _ : / @; "a=2" is none`},
		{"EPILOGUE_SPOOL_LIMIT", "1GB", `want a number of bytes, such as 2Gi, 512Mi or 1000000000`},
		{"EPILOGUE_SPOOL_LIMIT", "8Mi", `want at least 16Mi`},
		{"EPILOGUE_SPOOL_LIMIT", "9Ei", `want a whole number of bytes below 8Ei`},
		{"EPILOGUE_FLUSH_INTERVAL", "1", `want a duration with its unit, such as 500ms, 30s or 2h`},
		{"EPILOGUE_FLUSH_INTERVAL", "1h", `want a duration from 10ms to 1m`},
		{"EPILOGUE_RECONNECT_AFTER", "4h", `want less than 4h, because the kubelet cuts log streams at 4 h`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_TTL_SECONDS_AFTER_FINISHED", "2 days", `want a whole number of seconds such as 86400, or a duration with its unit such as 30m, 24h or 7d`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_TTL_SECONDS_AFTER_FINISHED", "-1", `want a number of seconds from 0 to 2147483647`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_ENABLE_EXTERNAL_LOGS", "yes", `want true or false`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_BUILD_RUNNER_IMAGE", "on", `want true or false`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_DOCKER_REGISTRY", "https://r.example.com", `want a registry without a scheme, such as 339712793861.dkr.ecr.eu-central-1.amazonaws.com or registry.example.com/zenml`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_DOCKER_REGISTRY", "r.example.com/", `want a registry as host[:port][/path] without a tag or a slash at its end, such as 339712793861.dkr.ecr.eu-central-1.amazonaws.com or registry.example.com/zenml`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_RUNNER_IMAGE", "zenml:<version>", `want an image as [registry/]name[:tag][@sha256:digest], such as registry.example.com/zenml/zenml:0.93.0`},
		{"ZENML_KUBERNETES_WORKLOAD_MANAGER_JOB_BACKOFF_LIMIT", "many", `want a whole number from 0 to 2147483647`},
		{"ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS", "0", `want a whole number from 1 to 100000`},
		{"ZENML_SERVER_WORKLOAD_MANAGER_IMPLEMENTATION_SOURCE", "Manager", `want a dotted class path such as zenml_cloud_plugins.kubernetes_workload_manager.KubernetesWorkloadManager`},
		{"EPILOGUE_TTL_FAILURE", "soon", `want a whole number of seconds such as 86400, or a duration with its unit such as 30m, 24h or 7d`},
		{"EPILOGUE_HISTORY_LIMIT", "-1", `want a whole number from 0 to 2147483647`},
		{"EPILOGUE_GATE", "on", `want always, launched-only or never`},
		{"EPILOGUE_GATE_DEADLINE", "0s", `want a duration from 1s to 720h`},
		{"EPILOGUE_GRACE_IMAGE_PULL", "10", `want a duration with its unit, such as 500ms, 30s or 2h`},
		{"EPILOGUE_CLEANUP_RATE", "0", `want a number per second above 0 and up to 100000, such as 50 or 0.5`},
		{"EPILOGUE_HEALTH_LISTEN", "8080", `want an address as host:port or :port, such as :8080 or 127.0.0.1:8080`},
		{"EPILOGUE_REPLICA_ADDRESS", "10.0.0.1:8443", `want an IP address or a host name without a port, such as 10.244.1.7 or epilogue-0.epilogue`},
		{"EPILOGUE_API_LISTEN", "on", `want an address as host:port or :port, such as :8000 or 127.0.0.1:8000, or off`},
		{"EPILOGUE_API_AUTH", "basic", `want kubernetes or none`},
		{"EPILOGUE_API_MAX_STREAMS", "0", `want a whole number from 1 to 100000`},
		{"EPILOGUE_LOG_LEVEL", "verbose", `want debug, info, warn or error`},
		{"EPILOGUE_LOG_FORMAT", "xml", `want json or text`},
	} {
		t.Run(tt.env+"="+tt.value, func(t *testing.T) {
			_, err := load(t, input{env: with(enough(), tt.env, tt.value)})
			wantLines(t, err, tt.env+`: value "`+tt.value+`": `+tt.want)
		})
	}
}

func TestBareBucketName(t *testing.T) {
	env := map[string]string{"EPILOGUE_NAMESPACE": "jobs", zenmlAWS + "BUCKET": "my-bucket"}
	_, err := load(t, input{env: env})
	wantLines(t, err, `ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_BUCKET: value "my-bucket": want a URL; if this is a bucket's name, write s3://my-bucket or s3://my-bucket/prefix`)
}

func TestSelectorError(t *testing.T) {
	_, err := load(t, input{env: with(enough(), "EPILOGUE_SELECTOR", "a in")})
	if err == nil || !strings.HasPrefix(err.Error(), `EPILOGUE_SELECTOR: value "a in": want a label selector such as app=zenml,tier!=test (`) {
		t.Errorf("got %v", err)
	}
}

func TestAllWrongValuesAreTold(t *testing.T) {
	_, err := load(t, input{
		args: []string{"--stall-after=5m", "--reconnect-after=2m", "--max-streams=", "--settle-delay=30s", "--spool-limit=64Mi"},
		env:  map[string]string{"EPILOGUE_LOG_LEVEL": "loud", zenmlAWS + "REGION": "?", "EPILOGUE_METRICS_LISTEN": ":8080"},
	})
	wantLines(t, err,
		`ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_REGION: value "?": want the name of an AWS region, such as eu-central-1`,
		`--max-streams: value "": want a whole number from 1 to 100000`,
		`EPILOGUE_LOG_LEVEL: value "loud": want debug, info, warn or error`,
		`namespace: not set, but it says whose Jobs are kept; give --namespace, EPILOGUE_NAMESPACE, ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE or "namespace" in the file`,
		`archive: not set, but it says where logs are kept, such as s3://bucket/prefix; give --archive, EPILOGUE_ARCHIVE, ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_BUCKET or "archive" in the file`,
		`--stall-after: value "5m": want less than reconnect-after, or a hanging stream is never noticed before it is reopened anyway (--reconnect-after is "2m")`,
		`--spool-limit: value "64Mi": want at least buffer-memory, or one flush of the buffers could not fit into the spool (buffer-memory is "128Mi")`,
		`EPILOGUE_METRICS_LISTEN: value ":8080": want another address than health-listen (health-listen is ":8080")`,
		`--settle-delay: value "30s": want less than shutdown-grace, or no log that ends during a stop can be verified (shutdown-grace is "25s")`)
}

func TestWrongFile(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"near key", "spool_limt: 1Gi", `spool_limt in FILE: no such setting; did you mean "spool-limit"?`},
		{"far key", "colour: red", `colour in FILE: no such setting; "epilogue config" lists them`},
		{"another file", "config: x", `config in FILE: a file cannot name another one; give --config or EPILOGUE_CONFIG`},
		{"wrong value", "max-streams: many", `max-streams in FILE: value "many": want a whole number from 1 to 100000`},
		{"list for one value", "namespace: [a, b]", `namespace in FILE: value "[\"a\",\"b\"]": want one value`},
		{"map for a list", "workload-labels: {a: b}", `workload-labels in FILE: value "{\"a\":\"b\"}": want a list of texts`},
		{"native JSON has no position", "node-selector: {gpu: true}", `node-selector in FILE: value "{\"gpu\":true}": gpu: want a text in double quotes, found bool`},
		{"twice", "archive: file:///a\narchive: file:///b", `--config: file "FILE": want YAML: yaml: unmarshal errors: line 2: key "archive" already set in map`},
		{"no map", "- a", `--config: file "FILE": want YAML of the form "key: value", such as "namespace: zenml-workload-manager"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, input{env: enough(), file: tt.file})
			if err == nil {
				t.Fatal("got no error")
			}
			got := err.Error()
			for word := range strings.FieldsFuncSeq(got, func(r rune) bool { return r == ' ' || r == ':' || r == '"' }) {
				if filepath.IsAbs(word) && strings.HasSuffix(word, ".yaml") {
					got = strings.ReplaceAll(got, word, "FILE")
				}
			}
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := load(t, input{args: []string{"--config=/nowhere/c.yaml"}})
	wantLines(t, err, `--config: value "/nowhere/c.yaml": want a file that can be read: open /nowhere/c.yaml: no such file or directory`)
}

func TestSecretsStayHidden(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	source := bind(fs, []setting{{name: "token", kind: "text", group: "g", secret: true, set: func(_ *Config, text string) error {
		_, err := boolean(text)
		return err
	}}, {name: "config", kind: "path", group: "g", set: func(*Config, string) error { return nil }}})
	value := "hunter2"
	lookup := func(name string) (string, bool) { return value, name == "EPILOGUE_TOKEN" }
	_, err := source.Load(lookup)
	wantLines(t, err, `EPILOGUE_TOKEN: value (hidden): want true or false`)

	value = "true"
	c, err := source.Load(lookup)
	var out strings.Builder
	if err != nil || c.Print(&out) != nil || !strings.Contains(out.String(), "(hidden)") || strings.Contains(out.String(), "true") {
		t.Errorf("got %v and\n%s", err, out.String())
	}
}

func TestPasswordInEndpointStaysHidden(t *testing.T) {
	_, err := load(t, input{env: with(enough(), "EPILOGUE_S3_ENDPOINT", "https://me:hunter2@s3.example.com")})
	wantLines(t, err, `EPILOGUE_S3_ENDPOINT: value "https://(hidden)@s3.example.com": want a URL without user and password; credentials come from the AWS chain, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`)
}

func TestMisspeltVariablesAreTold(t *testing.T) {
	source := Bind(pflag.NewFlagSet("", pflag.ContinueOnError))
	got := source.Unknown([]string{
		"PATH=/bin", "EPILOGUE_NAMESPACE=jobs", "EPILOGUE_COLOUR=red",
		"EPILOGUE_PORT=tcp://10.0.0.1:80", "EPILOGUE_SERVICE_PORT_HTTP=80", "EPILOGUE_METRICS_PORT_9090_TCP_ADDR=10.0.0.1",
		"ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPCE=jobs", "ZENML_SERVER_DEPLOYMENT_TYPE=cloud",
	})
	want := []string{
		"EPILOGUE_COLOUR: no such setting",
		"ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPCE: no such setting; did you mean ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

const templateWithToken = `{"spec": {"containers": [{"name": "runner", "env": [{"name": "TOKEN", "value": "hunter2"}]}]}}`

// TestEnvironmentOfATemplateStaysHidden: what a pod template puts into a pod's environment is seen nowhere.
func TestEnvironmentOfATemplateStaysHidden(t *testing.T) {
	c, err := load(t, input{env: with(enough(), "EPILOGUE_POD_TEMPLATE", templateWithToken, "EPILOGUE_SPOOL_LIMIT", "2Gi")})
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	logged := c.LogValue().String()
	for name, got := range map[string]string{"print": printed.String(), "log": logged} {
		if strings.Contains(got, "hunter2") || !strings.Contains(got, `"name":"TOKEN","value":"(hidden)"`) {
			t.Errorf("%s: got\n%s\nwant the variable and not its value", name, got)
		}
	}
	if !strings.Contains(logged, "spool_limit=2Gi") || strings.Contains(logged, "flush_interval") {
		t.Errorf("got %s, want just what is not the default", logged)
	}
	if !strings.Contains(c.Launch.PodTemplate, "hunter2") {
		t.Errorf("got a template without its value, want it where pods are made")
	}
	for _, wrong := range []string{
		templateWithToken[:len(templateWithToken)-3], strings.Replace(templateWithToken, `"spec"`, `"spec": 3, "spek"`, 1),
	} {
		_, err := load(t, input{env: with(enough(), "EPILOGUE_POD_TEMPLATE", wrong)})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got error %v, want one without the value", err)
		}
	}
}
