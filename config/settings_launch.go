package config

import (
	"log/slog"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// launchSettings are ZenML's own, under short names of ours. Where ZenML states no default, the default here is ours.
func launchSettings() []setting {
	return []setting{{
		name: "launcher", group: groupLaunch, kind: "auto|true|false", def: auto,
		help: "Whether this daemon launches Jobs itself; auto means true where implementation-source names a class of Epilogue.",
		set:  autoOrBool(func(c *Config) *bool { return &c.Launch.Enabled }),
	}, {
		name: "implementation-source", group: groupLaunch, kind: "class",
		zenml: []string{"ZENML_SERVER_WORKLOAD_MANAGER_IMPLEMENTATION_SOURCE"},
		help:  "ZenML's workload-manager class; tells only who launches and whether it is the AWS kind.",
		set:   field(func(c *Config) *string { return &c.Launch.Implementation }, classPath),
	}, {
		name: "service-account", group: groupLaunch, kind: "name", zenml: []string{zenml + "SERVICE_ACCOUNT"},
		help: "Service account of runner and builder Jobs; required for launching.",
		set:  field(func(c *Config) *string { return &c.Launch.ServiceAccount }, serviceAccount),
	}, {
		name: "build-runner-image", group: groupLaunch, kind: "bool", def: "false", zenml: []string{zenml + "BUILD_RUNNER_IMAGE"},
		help: "Whether runner images are built on demand.",
		set:  field(func(c *Config) *bool { return &c.Launch.Build }, boolean),
	}, {
		name: "docker-registry", group: groupLaunch, kind: "registry", zenml: []string{zenml + "DOCKER_REGISTRY"},
		help: "Registry for built images, host and path without a scheme; required for launching with build-runner-image.",
		set:  field(func(c *Config) *string { return &c.Launch.Registry }, registry),
	}, {
		// Reads the same ZenML name as s3-region, but is a setting of its own: with a custom S3 server s3-region says
		// nothing about where ECR is.
		name: "registry-region", group: groupLaunch, kind: "name", zenml: []string{zenmlAWS + "REGION"},
		help: "AWS region of the registry; required for launching with build-runner-image on AWS.",
		set:  field(func(c *Config) *string { return &c.Launch.Region }, region),
	}, {
		name: "runner-image", group: groupLaunch, kind: "image", zenml: []string{zenml + "RUNNER_IMAGE"},
		help: "Pre-built image of all runner Jobs, used when not building; empty means the image that each request brings.",
		set:  field(func(c *Config) *string { return &c.Launch.RunnerImage }, image),
	}, {
		// True or false, the archive is required and kept: see the setting archive. The value is read so that a wrong
		// one is told, and so that a chart can hand ZenML's variables to both programs.
		name: "enable-external-logs", group: groupLaunch, kind: "bool", def: "false", zenml: []string{zenml + "ENABLE_EXTERNAL_LOGS"},
		help: "ZenML's switch for its own copy of logs in the bucket; Epilogue archives either way.",
		set:  field(func(c *Config) *bool { return &c.Launch.ExternalLogs }, boolean),
	}, {
		name: "max-concurrent-runs", group: groupLaunch, kind: "count", def: "2",
		// ZenML renamed the variable; where both are set, the newer name is the one that newer servers read.
		zenml: []string{"ZENML_SERVER_MAX_CONCURRENT_SNAPSHOT_RUNS", "ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS"},
		help:  "Launched Jobs that run at the same time; more are queued.",
		set:   field(func(c *Config) *int { return &c.Launch.MaxConcurrent }, count(100_000)),
	}}
}

// podSettings shape the pods of launched Jobs.
func podSettings() []setting {
	return []setting{{
		name: "pod-resources", group: groupLaunch, kind: "json", zenml: []string{zenml + "POD_RESOURCES"},
		help: `Resources of launched pods, a JSON object such as ` + resourcesExample + `.`,
		set:  field(func(c *Config) *corev1.ResourceRequirements { return &c.Launch.Resources }, podResources),
	}, {
		name: "node-selector", group: groupLaunch, kind: "json", zenml: []string{zenml + "NODE_SELECTOR"},
		help: `Node labels that launched pods need, a JSON object such as ` + selectorExample + `.`,
		set:  field(func(c *Config) *map[string]string { return &c.Launch.NodeSelector }, nodeSelector),
	}, {
		name: "tolerations", group: groupLaunch, kind: "json", zenml: []string{zenml + "TOLERATIONS"},
		help: `Taints that launched pods tolerate, a JSON array such as ` + tolerationsExample + `.`,
		set:  field(func(c *Config) *[]corev1.Toleration { return &c.Launch.Tolerations }, tolerations),
	}, {
		name: "job-backoff-limit", group: groupLaunch, kind: "count", zenml: []string{zenml + "JOB_BACKOFF_LIMIT"},
		help: "Retries of a launched Job before it counts as failed; empty means Kubernetes' own default, 6.",
		set:  field(func(c *Config) **int32 { return &c.Launch.BackoffLimit }, backoffLimit),
	}, {
		name: "pod-failure-policy", group: groupLaunch, kind: "json", zenml: []string{zenml + "POD_FAILURE_POLICY"},
		help: `Pod failure policy of launched Jobs, a JSON object as in Kubernetes, such as ` + failurePolicyExample + `; empty means none.`,
		set:  field(func(c *Config) **batchv1.PodFailurePolicy { return &c.Launch.FailurePolicy }, failurePolicy),
	}}
}

func levelField(c *Config) *slog.Level { return &c.Process.LogLevel }
