package config

// queueSettings say how many Jobs run and wait, and what ZenML's variables leave open about their pods.
func queueSettings() []setting {
	return []setting{{
		name: "max-concurrent-by-kind", group: groupLaunch, kind: "list",
		help: "Launched Jobs of one kind that run at the same time, such as builder=1,runner=2, within max-concurrent-runs; a kind that is not named has no limit of its own.",
		set:  field(func(c *Config) *map[string]int { return &c.Launch.KindLimits }, kindLimits),
	}, {
		name: "max-queued-runs", group: groupLaunch, kind: "count", def: "1000",
		help: "Launched Jobs that wait at the same time; a request beyond them is refused, and told when to try again.",
		set:  field(func(c *Config) *int { return &c.Launch.MaxQueued }, count(1_000_000)),
	}, {
		name: "pod-template", group: groupLaunch, kind: "json",
		help: `What else runner pods have, merged over what is generated as kubectl's strategic merge patch does: a pod template in JSON such as ` + templateExample + `; the container is called main.`,
		set:  field(func(c *Config) *string { return &c.Launch.PodTemplate }, podTemplate),
	}, {
		name: "builder-template", group: groupLaunch, kind: "json",
		help: `The same for builder pods, over a BuildKit pod that reads /epilogue/dockerfile/Dockerfile and pushes $(EPILOGUE_IMAGE): a pod template in JSON such as ` + builderExample + `.`,
		set:  field(func(c *Config) *string { return &c.Launch.BuilderTemplate }, podTemplate),
	}, {
		name: "builder-image", group: groupLaunch, kind: "image", def: "docker.io/moby/buildkit:v0.34.2-rootless",
		help: "Image of builder pods; another builder than BuildKit also needs a builder-template.",
		set:  field(func(c *Config) *string { return &c.Launch.BuilderImage }, image),
	}, {
		name: "registry-secret", group: groupLaunch, kind: "name",
		help: "Secret of type kubernetes.io/dockerconfigjson in the namespace, with which builders push and this daemon asks whether an image is there; empty means anonymously, or by the AWS credential chain where the registry is ECR.",
		set:  field(func(c *Config) *string { return &c.Launch.RegistrySecret }, secretName),
	}, {
		name: "registry-insecure", group: groupLaunch, kind: "bool", def: "false",
		help: "Whether the registry is asked over plain HTTP; for a registry inside the cluster.",
		set:  field(func(c *Config) *bool { return &c.Launch.RegistryInsecure }, boolean),
	}}
}
