package config

import (
	"strings"
	"time"
)

// setting is one row of the table that drives everything: flags, environment, file, checks, Print and the reference
// page.
type setting struct {
	name   string   // flag and key in the file
	zenml  []string // ZenML's names for it, the stronger one first; EPILOGUE_* beats them all
	group  string   // heading in Print and on the page
	kind   string   // type as a word, shown by --help
	def    string   // in the form a user would write
	help   string   // one sentence: what it does, and its unit
	secret bool     // value never shown
	// set parses text into its field. It is not called for an empty text where the default is empty too. Its error says
	// what would be right; name and value are added by the caller.
	set func(c *Config, text string) error
}

// The groups of settings, in the order of the table.
const (
	groupKubernetes = "Kubernetes"
	groupArchive    = "Archive"
	groupSpool      = "Spool and memory"
	groupFollow     = "Following"
	groupCleanup    = "Cleanup"
	groupLaunch     = "Launching"
	groupProcess    = "Process"
)

const (
	zenml    = "ZENML_KUBERNETES_WORKLOAD_MANAGER_"
	zenmlAWS = "ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_"
)

// env returns the names of the setting in the environment, the strongest first.
func (s setting) env() []string { return append([]string{ourEnv(s.name)}, s.zenml...) }

// ourEnv returns EPILOGUE_SPOOL_DIR for spool-dir. No setting may be called "port" or start with "service-": Kubernetes
// puts EPILOGUE_PORT and EPILOGUE_SERVICE_* into every pod beside a Service called epilogue.
func ourEnv(name string) string {
	return "EPILOGUE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// field joins a parser to the field that takes its result.
func field[T any](get func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, text string) error {
		v, err := parse(text)
		if err == nil {
			*get(c) = v
		}
		return err
	}
}

// settings returns the whole table.
func settings() []setting {
	var all []setting
	for _, group := range [][]setting{
		kubernetesSettings(), archiveSettings(), retentionSettings(), spoolSettings(), followSettings(), replicaSettings(),
		cleanupSettings(), launchSettings(), podSettings(), queueSettings(), serveSettings(), processSettings(), metricsSettings(),
	} {
		all = append(all, group...)
	}
	return all
}

func kubernetesSettings() []setting {
	return []setting{{
		name: "kubeconfig", group: groupKubernetes, kind: "path",
		help: "Path of a kubeconfig file; empty means the pod's own service account or, outside a cluster, what kubectl would use.",
		set:  field(func(c *Config) *string { return &c.Kubernetes.Kubeconfig }, asIs),
	}, {
		name: "namespace", group: groupKubernetes, kind: "name", zenml: []string{zenml + "NAMESPACE"},
		help: "Namespace whose Jobs are watched, archived and cleaned up; required.",
		set:  field(func(c *Config) *string { return &c.Kubernetes.Namespace }, namespace),
	}, {
		name: "selector", group: groupKubernetes, kind: "selector",
		help: "Label selector of the Jobs to watch; empty means every Job of the namespace.",
		set:  field(func(c *Config) *string { return &c.Kubernetes.Selector }, labelSelector),
	}, {
		name: "workload-labels", group: groupKubernetes, kind: "list", def: "epilogue.dev/workload-id",
		help: "Comma-separated label keys that may hold a workload id; the first one that a Job carries counts.",
		set:  field(func(c *Config) *[]string { return &c.Kubernetes.WorkloadLabels }, labelKeys),
	}, {
		name: "api-qps", group: groupKubernetes, kind: "number", def: "100",
		help: "Requests per second to the API server at most, log streams apart.",
		set:  field(func(c *Config) *float32 { return &c.Kubernetes.QPS }, rate[float32]),
	}, {
		name: "api-burst", group: groupKubernetes, kind: "count", def: "200",
		help: "Requests to the API server that may go out at once above api-qps.",
		set:  field(func(c *Config) *int { return &c.Kubernetes.Burst }, count(100_000)),
	}}
}

func archiveSettings() []setting {
	return []setting{{
		// ZenML's ENABLE_EXTERNAL_LOGS tells ZenML whether to use the bucket. It does not tell us: keeping logs is what
		// this daemon is for, so a bucket that is named is used, whatever that switch says, unless ours names another
		// place.
		name: "archive", group: groupArchive, kind: "url", zenml: []string{zenmlAWS + "BUCKET"},
		help: "Where logs are kept: s3://bucket/prefix, or file:///directory to try it without S3; required.",
		set:  field(func(c *Config) *Archive { return &c.Archive }, archiveURL),
	}, {
		name: "s3-endpoint", group: groupArchive, kind: "url",
		help: "URL of an S3 server other than AWS, such as https://minio.example.com:9000.",
		set:  field(func(c *Config) *string { return &c.S3.Endpoint }, endpointURL),
	}, {
		name: "s3-region", group: groupArchive, kind: "name", zenml: []string{zenmlAWS + "REGION"},
		help: "Region of the bucket; empty means what the AWS credential chain says.",
		set:  field(func(c *Config) *string { return &c.S3.Region }, region),
	}, {
		name: "s3-path-style", group: groupArchive, kind: "auto|true|false", def: auto,
		help: "Whether the bucket's name goes into the path of requests instead of the host name; auto means true with an endpoint, also one of AWS_ENDPOINT_URL_S3.",
		set:  autoOrBool(func(c *Config) *bool { return &c.S3.PathStyle }),
	}, {
		name: "s3-ca-file", group: groupArchive, kind: "path",
		help: "PEM file with the certificate authorities that may sign the S3 server's certificate; empty means the system's.",
		set:  field(func(c *Config) *string { return &c.S3.CAFile }, asIs),
	}, {
		name: "s3-encryption", group: groupArchive, kind: "AES256|aws:kms|aws:kms:dsse",
		help: "Server-side encryption that is asked for with every object, for a bucket whose policy insists on it; empty means the bucket's default.",
		set:  field(func(c *Config) *string { return &c.S3.Encryption }, oneOf("AES256", "aws:kms", "aws:kms:dsse")),
	}, {
		name: "s3-kms-key", group: groupArchive, kind: "name",
		help: "Key of s3-encryption aws:kms: its id, ARN or alias; empty means AWS's own.",
		set:  field(func(c *Config) *string { return &c.S3.KMSKey }, asIs),
	}, {
		name: "s3-storage-class", group: groupArchive, kind: "name",
		help: "Storage class of log objects, such as STANDARD_IA; not one that has to be restored before it is read.",
		set:  field(func(c *Config) *string { return &c.S3.StorageClass }, storageClass),
	}, {
		name: "s3-tags", group: groupArchive, kind: "list",
		help: "Comma-separated tags of every object, such as team=data,cost=7; they take the right s3:PutObjectTagging.",
		set:  field(func(c *Config) *map[string]string { return &c.S3.Tags }, objectTags),
	}, {
		name: "store-timeout", group: groupArchive, kind: "duration", def: "60s",
		help: "How long one request to the store may take before it is given up and tried again.",
		set:  field(func(c *Config) *time.Duration { return &c.S3.Timeout }, duration(time.Second, time.Hour)),
	}, {
		name: "seal-concurrency", group: groupArchive, kind: "count", def: "32",
		help: "Logs that are sealed at the same time at most.",
		set:  field(func(c *Config) *int { return &c.Seal.Concurrency }, count(1000)),
	}}
}

func spoolSettings() []setting {
	return []setting{{
		name: "spool-dir", group: groupSpool, kind: "path", def: "/var/lib/epilogue/spool",
		help: "Directory on local disk for logs that are not yet sealed.",
		set:  field(func(c *Config) *string { return &c.Spool.Dir }, asIs),
	}, {
		name: "spool-limit", group: groupSpool, kind: "bytes", def: "1Gi",
		help: "Bytes that the spool may take on disk; when it is full, log streams close and are resumed later.",
		set:  field(func(c *Config) *int64 { return &c.Spool.Limit }, quantityOfBytes("16Mi")),
	}, {
		name: "flush-interval", group: groupSpool, kind: "duration", def: "1s",
		help: "How long a line may wait in memory before it is written to the spool.",
		set: field(func(c *Config) *time.Duration { return &c.Spool.FlushInterval },
			duration(10*time.Millisecond, time.Minute)),
	}, {
		name: "buffer-memory", group: groupSpool, kind: "bytes", def: "128Mi",
		help: "Bytes of memory for lines that are not yet in the spool, all logs together.",
		set:  field(func(c *Config) *int64 { return &c.Spool.BufferMemory }, quantityOfBytes("4Mi")),
	}}
}

func followSettings() []setting {
	return []setting{{
		name: "max-streams", group: groupFollow, kind: "count", def: "2000",
		help: "Log streams that may be open at the same time.",
		set:  field(func(c *Config) *int { return &c.Follow.MaxStreams }, count(100_000)),
	}, {
		name: "stream-open-rate", group: groupFollow, kind: "number", def: "200",
		help: "Log streams opened per second at most, so that a node that comes back is not stormed.",
		set:  field(func(c *Config) *float64 { return &c.Follow.OpenRate }, rate[float64]),
	}, {
		name: "stall-after", group: groupFollow, kind: "duration", def: "60s",
		help: "Silence of a running container after which its stream is checked, and reopened if it hangs.",
		set:  field(func(c *Config) *time.Duration { return &c.Follow.StallAfter }, duration(time.Second, maxStream)),
	}, {
		name: "reconnect-after", group: groupFollow, kind: "duration", def: "3h30m",
		help: "Age at which a stream is reopened, before the kubelet cuts it at 4 h.",
		set:  field(func(c *Config) *time.Duration { return &c.Follow.ReconnectAfter }, reconnectAfter),
	}, {
		name: "settle-delay", group: groupFollow, kind: "duration", def: "500ms",
		help: "Wait between a container's end and the read that verifies its log.",
		set:  field(func(c *Config) *time.Duration { return &c.Follow.SettleDelay }, duration(0, time.Minute)),
	}}
}

func processSettings() []setting {
	return []setting{{
		name: "config", group: groupProcess, kind: "path",
		help: "YAML file with any of these settings, by the same names; cannot stand in the file itself.",
		set:  field(func(c *Config) *string { return &c.File }, asIs),
	}, {
		name: "shutdown-grace", group: groupProcess, kind: "duration", def: "25s",
		help: "Time for a graceful stop; keep it below the pod's terminationGracePeriodSeconds.",
		set:  field(func(c *Config) *time.Duration { return &c.Process.ShutdownGrace }, duration(time.Second, time.Hour)),
	}, {
		name: "health-listen", group: groupProcess, kind: "host:port", def: ":8080",
		help: "Address of the liveness and readiness checks.",
		set:  field(func(c *Config) *string { return &c.Process.HealthListen }, listenAddress),
	}, {
		name: "metrics-listen", group: groupProcess, kind: "host:port", def: ":9090",
		help: "Address of the Prometheus metrics.",
		set:  field(func(c *Config) *string { return &c.Process.MetricsListen }, listenAddress),
	}, {
		name: "log-level", group: groupProcess, kind: "debug|info|warn|error", def: "info",
		help: "Least level of the daemon's own log.",
		set:  field(levelField, logLevel),
	}, {
		name: "log-format", group: groupProcess, kind: "json|text", def: "json",
		help: "Form of the daemon's own log.",
		set:  field(func(c *Config) *string { return &c.Process.LogFormat }, oneOf("json", "text")),
	}}
}
