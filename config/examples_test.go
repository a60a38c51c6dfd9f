package config

import (
	"maps"
	"testing"
	"time"
)

const implementation = "ZENML_SERVER_WORKLOAD_MANAGER_IMPLEMENTATION_SOURCE"

// The three complete examples of ZenML's own page.
func minimalExample() map[string]string {
	return map[string]string{
		implementation:            "zenml_cloud_plugins.kubernetes_workload_manager.KubernetesWorkloadManager",
		zenml + "NAMESPACE":       "zenml-workload-manager",
		zenml + "SERVICE_ACCOUNT": "zenml-workload-manager",
	}
}

func awsExample() map[string]string {
	return with(minimalExample(),
		implementation, "zenml_cloud_plugins.aws_kubernetes_workload_manager.AWSKubernetesWorkloadManager",
		zenml+"BUILD_RUNNER_IMAGE", "true",
		zenml+"DOCKER_REGISTRY", "339712793861.dkr.ecr.eu-central-1.amazonaws.com",
		zenml+"ENABLE_EXTERNAL_LOGS", "true",
		zenml+"POD_RESOURCES", resourcesExample,
		zenmlAWS+"BUCKET", "s3://my-bucket/run-template-logs",
		zenmlAWS+"REGION", "eu-central-1",
		zenml+"NODE_SELECTOR", selectorExample,
		zenml+"TOLERATIONS", tolerationsExample,
		"ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS", "10")
}

func prebuiltExample() map[string]string {
	return with(minimalExample(),
		zenml+"BUILD_RUNNER_IMAGE", "false",
		zenml+"RUNNER_IMAGE", "internal-registry.mycompany.com/zenml/zenml:0.93.0",
		zenml+"POD_RESOURCES", resourcesExample,
		zenml+"TTL_SECONDS_AFTER_FINISHED", "86400",
		"ZENML_SERVER_MAX_CONCURRENT_TEMPLATE_RUNS", "2")
}

// Each example loads beside ZenML, and also where we launch in its place. Only the AWS one names an archive.
func TestZenMLExamplesLoad(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"minimal": with(minimalExample(), "EPILOGUE_ARCHIVE", "s3://logs"), "aws": awsExample(),
		"prebuilt": with(prebuiltExample(), "EPILOGUE_ARCHIVE", "s3://logs"),
	} {
		for _, launcher := range []string{"false", "true"} {
			t.Run(name+" launcher "+launcher, func(t *testing.T) {
				if _, err := load(t, input{env: with(maps.Clone(env), "EPILOGUE_LAUNCHER", launcher)}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestAWSExampleValues(t *testing.T) {
	c, err := load(t, input{env: awsExample()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Archive, (Archive{Bucket: "my-bucket", Prefix: "run-template-logs"}); got != want {
		t.Errorf("archive: got %+v, want %+v", got, want)
	}
	if c.S3.Region != "eu-central-1" || c.Launch.Region != "eu-central-1" || !c.Launch.Build || c.Launch.MaxConcurrent != 10 {
		t.Errorf("got %+v %+v", c.S3, c.Launch)
	}
	if got, want := c.Launch.Resources.Requests.Cpu().String(), "100m"; got != want {
		t.Errorf("cpu request: got %s, want %s", got, want)
	}
	if got, want := c.Launch.Tolerations[0].Value, "zenml-pool"; got != want {
		t.Errorf("toleration: got %s, want %s", got, want)
	}
}

func TestPrebuiltExampleValues(t *testing.T) {
	c, err := load(t, input{env: with(prebuiltExample(), "EPILOGUE_ARCHIVE", "s3://logs")})
	if err != nil {
		t.Fatal(err)
	}
	if c.Launch.RunnerImage == "" || c.Launch.Build || c.Cleanup.TTL != 24*time.Hour {
		t.Errorf("got %+v, ttl %s", c.Launch, c.Cleanup.TTL)
	}
}

// ZenML requires the registry and the region for building; we do only where we are the ones who build.
func TestObserverStartsWithIncompleteBuildSettings(t *testing.T) {
	env := with(awsExample(), zenml+"DOCKER_REGISTRY", "", zenmlAWS+"REGION", "", zenml+"SERVICE_ACCOUNT", "")
	if _, err := load(t, input{env: env}); err != nil {
		t.Errorf("observer: %v", err)
	}
	_, err := load(t, input{env: with(env, "EPILOGUE_LAUNCHER", "true")})
	wantLines(t, err,
		`service-account: not set, but the launcher runs its Jobs under it; give --service-account, EPILOGUE_SERVICE_ACCOUNT, ZENML_KUBERNETES_WORKLOAD_MANAGER_SERVICE_ACCOUNT or "service-account" in the file`,
		`docker-registry: not set, but build-runner-image needs a registry to push to; give --docker-registry, EPILOGUE_DOCKER_REGISTRY, ZENML_KUBERNETES_WORKLOAD_MANAGER_DOCKER_REGISTRY or "docker-registry" in the file`,
		`registry-region: not set, but build-runner-image on AWS needs the region of the registry; give --registry-region, EPILOGUE_REGISTRY_REGION, ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_REGION or "registry-region" in the file`)
}
