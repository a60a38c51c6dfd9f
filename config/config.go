// Package config owns every setting of Epilogue: its name as a flag, in the environment and in the file, its default,
// its meaning and its check. It reads them once, at start-up, into one plain struct.
//
// It promises that a Config returned without an error is whole: every value has been parsed, lies within its bounds and
// fits the others. A wrong value gives one line that names it by the name under which it came in. Secrets are masked in
// errors and in Print. Nothing is kept: after a crash the next start reads the same sources again.
package config

import (
	"log/slog"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Config is the effective configuration. Its fields are grouped by the part of the daemon that reads them.
type Config struct {
	File       string // path of the configuration file, "" without one
	Kubernetes Kubernetes
	Archive    Archive
	S3         S3
	Retention  Retention
	Spool      Spool
	Follow     Follow
	Seal       Seal
	Replica    Replica
	Serve      Serve
	Cleanup    Cleanup
	Launch     Launch
	Process    Process
	Metrics    Metrics

	effective []effective // what Print shows, in the order of the table
}

// Kubernetes says which API server is watched, what of it, and how hard it may be asked.
type Kubernetes struct {
	Kubeconfig     string   // path; "": in cluster, else kubectl's loading rules
	Namespace      string   // the workload-manager namespace
	Selector       string   // label selector of the Jobs, checked; "": all Jobs
	WorkloadLabels []string // label keys that may hold a workload id, first match wins; never empty
	QPS            float32  // requests per second, log streams apart
	Burst          int      // requests at once above QPS
}

// Archive says where logs are kept: either in a bucket or in a directory.
type Archive struct {
	Bucket string // name of the bucket, "" for a directory
	Prefix string // without a slash at either end; may be ""
	Dir    string // absolute path, "" for a bucket
}

// S3 says how the bucket is reached. Credentials are not settings: they come from the AWS chain.
type S3 struct {
	Endpoint  string // URL; "": AWS
	Region    string // "": what the AWS chain says
	PathStyle bool   // the bucket's name goes into the path, not into the host
	AutoStyle bool   // nobody said so: an endpoint may also come from the AWS chain
	CAFile    string // PEM file; "": the system's roots
	Timeout   time.Duration

	Encryption   string            // AES256, aws:kms or aws:kms:dsse; "": the bucket's default
	KMSKey       string            // of aws:kms; "": AWS's own
	StorageClass string            // of log objects; "": the bucket's default
	Tags         map[string]string // of every object
}

// Style reports whether the bucket's name goes into the path; nil: as the endpoint is, wherever that comes from.
func (s S3) Style() *bool {
	if s.AutoStyle {
		return nil
	}
	return &s.PathStyle
}

// Spool bounds what waits on local disk and in memory.
type Spool struct {
	Dir           string
	Limit         int64 // bytes on disk
	BufferMemory  int64 // bytes of lines that are not yet on disk, all logs together
	FlushInterval time.Duration
	Reserve       int64 // bytes on disk besides Limit, for sealing where the disk is full; no setting
}

// Follow bounds and times the log streams.
type Follow struct {
	MaxStreams     int
	OpenRate       float64 // streams opened per second
	StallAfter     time.Duration
	ReconnectAfter time.Duration // under 4 h
	SettleDelay    time.Duration
}

// Seal bounds the closing of logs.
type Seal struct {
	Concurrency int
}

// Launch says how runner and builder Jobs are made. All of it is checked at every start, but only a daemon that
// launches (Enabled) insists that it is complete: an observer lives beside ZenML's own manager and must not refuse to
// start over settings that it never uses.
type Launch struct {
	Enabled        bool
	Implementation string // ZenML's dotted class path, "" where not known
	ServiceAccount string
	Build          bool   // build runner images on demand
	Registry       string // host[:port][/path] without scheme; set whenever Enabled and Build
	Region         string // AWS region of the registry; set whenever Enabled, Build and AWS
	RunnerImage    string // pre-built image, used where Build is false; "": the image of each request
	ExternalLogs   bool   // ZenML's wish, see the setting's comment
	MaxConcurrent  int    // Jobs of the launcher that run at once

	Resources     corev1.ResourceRequirements
	NodeSelector  map[string]string
	Tolerations   []corev1.Toleration
	BackoffLimit  *int32                    // nil: Kubernetes' own default
	FailurePolicy *batchv1.PodFailurePolicy // nil: none

	// Jobs of one kind that run at once, by "runner" or "builder"; without one: MaxConcurrent alone.
	KindLimits       map[string]int
	MaxQueued        int    // Jobs that wait
	PodTemplate      string // JSON of a pod template, merged over the generated one; "": nothing
	BuilderTemplate  string // the same for builders
	BuilderImage     string
	RegistrySecret   string // name of a Secret in the namespace; "": none
	RegistryInsecure bool   // plain HTTP
}

// Process holds what concerns the process itself.
type Process struct {
	ShutdownGrace time.Duration
	HealthListen  string // host:port
	MetricsListen string // host:port
	LogLevel      slog.Level
	LogFormat     string // "json" or "text"
}

// String returns the archive in the form in which it is configured.
func (a Archive) String() string {
	switch {
	case a.Dir != "":
		return "file://" + a.Dir
	case a.Prefix != "":
		return "s3://" + a.Bucket + "/" + a.Prefix
	default:
		return "s3://" + a.Bucket
	}
}
