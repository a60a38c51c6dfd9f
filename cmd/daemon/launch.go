package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/launch"
	"github.com/epilogue-dev/epilogue/launch/ecr"
	"github.com/epilogue-dev/epilogue/launch/registry"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve/workloads"
)

// newLauncher makes the launcher, which listens to the watcher from then on; none where this daemon only observes.
func (p *parts) newLauncher(cfg config.Config, client kubernetes.Interface) error {
	if !cfg.Launch.Enabled {
		return nil
	}
	launching, err := launchConfig(cfg)
	if err != nil {
		return err
	}
	images, err := imageRegistry(cfg, client)
	if err != nil {
		return err
	}
	key := launch.QueueKey(cfg.Kubernetes.Namespace)
	p.launcher = launch.New(launching, launch.Parts{
		Client: client, Cache: p.watcher, Owns: func() bool { return p.watcher.Owns(key) }, Registry: images,
		Metrics: metrics.NewLaunch(p.registry), Log: p.log.With("component", "launch"), Now: p.clock.Now,
	})
	p.watcher.Listen(p.launcher.See)
	p.launchQueue().Register(p.registry)
	return nil
}

// answerLaunches adds the launcher's routes to the API. A launcher that nobody can ask is a mistake in the settings.
func (p *parts) answerLaunches(cfg config.Config, store archive.Store) error {
	switch {
	case p.launcher == nil:
		return nil
	case p.api == nil:
		return errors.New("api-listen: value off, but the launcher takes its requests there; want an address, or no launcher")
	}
	p.api.Add(workloads.Routes(workloads.Config{
		Namespace: cfg.Kubernetes.Namespace, Launcher: p.launcher, Queue: p.launcher,
		Keep: func(ctx context.Context, m message.Message) error { return message.Put(ctx, store, m) },
	})...)
	return nil
}

// runLauncher keeps the queue until the context ends.
func (p *parts) runLauncher(ctx context.Context) error {
	if p.launcher != nil {
		p.launcher.Run(ctx)
	}
	return nil
}

func launchConfig(cfg config.Config) (launch.Config, error) {
	l := cfg.Launch
	jobLabels, err := launch.LabelsFor(cfg.Kubernetes.Selector)
	if err != nil {
		return launch.Config{}, err
	}
	byKind := map[launch.Kind]int{}
	for kind, n := range l.KindLimits {
		byKind[launch.Kind(kind)] = n
	}
	return launch.Config{
		Shape: launch.Shape{
			Namespace: cfg.Kubernetes.Namespace, ServiceAccount: l.ServiceAccount, JobLabels: jobLabels,
			Resources: l.Resources, NodeSelector: l.NodeSelector, Tolerations: l.Tolerations,
			BackoffLimit: l.BackoffLimit, FailurePolicy: l.FailurePolicy,
			PodTemplate: l.PodTemplate, BuilderTemplate: l.BuilderTemplate, BuilderImage: l.BuilderImage,
			RegistrySecret: l.RegistrySecret, Insecure: l.RegistryInsecure,
		},
		Limits: launch.Limits{Total: l.MaxConcurrent, ByKind: byKind, Queued: l.MaxQueued},
		Images: launch.Images{Build: l.Build, Registry: l.Registry, Prebuilt: l.RunnerImage},
	}, nil
}

// imageRegistry returns the registry that builders push to, nil where nothing is built.
func imageRegistry(cfg config.Config, client kubernetes.Interface) (launch.Registry, error) {
	l := cfg.Launch
	switch {
	case !l.Build:
		return nil, nil
	case l.RegistrySecret == "" && ecr.Is(l.Registry):
		return ecr.Open(context.Background(), l.Region) // reads files at most
	case l.RegistrySecret == "":
		return registry.New(nil, l.RegistryInsecure), nil
	}
	return registry.New(func(ctx context.Context) ([]byte, error) {
		secret, err := client.CoreV1().Secrets(cfg.Kubernetes.Namespace).Get(ctx, l.RegistrySecret, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("read registry login: %w", err)
		}
		return secret.Data[corev1.DockerConfigJsonKey], nil
	}, l.RegistryInsecure), nil
}

func (p *parts) launchQueue() metrics.LaunchQueue {
	pick := func(n int) func() float64 {
		return func() float64 {
			waiting, mostWaiting, running, mostRunning := p.launcher.Counts()
			return float64([]int{waiting, mostWaiting, running, mostRunning}[n])
		}
	}
	return metrics.LaunchQueue{Waiting: pick(0), WaitingLimit: pick(1), Running: pick(2), RunningLimit: pick(3)}
}
