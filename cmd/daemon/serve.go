package main

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/process"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/loki"
	"github.com/epilogue-dev/epilogue/watch/api"
)

// newAPI makes the API that gives logs back, nil where there is none. Other parts add their routes before it serves.
func (p *parts) newAPI(cfg config.Config, store archive.Store, codec *format.Codec) (*serve.API, error) {
	if cfg.Serve.Listen == "" {
		return nil, nil
	}
	log := p.log.With("component", "api")
	reader := read.New(find.Config{
		Store: store, Codec: codec, Spool: p.spool, Replica: cfg.Replica.Called(), Poll: cfg.Replica.JournalInterval,
	})
	who, err := whoMayRead(cfg)
	if err != nil {
		return nil, err
	}
	parts := serve.Parts{Access: who, Reader: reader, Objects: reader, Cluster: p.watcher, Log: log, Now: p.clock.Now}
	parts.Messages = func(ctx context.Context, workload string, namespaces []string) (message.Talk, error) {
		return message.Of(ctx, store, workload, namespaces...)
	}
	if cfg.Serve.CertFile != "" {
		certificate, err := serve.OpenCertificate(cfg.Serve.CertFile, cfg.Serve.KeyFile, log)
		if err != nil {
			return nil, err
		}
		parts.Certificate = certificate.Current
	}
	api := serve.NewAPI(serve.Config{
		Namespace: cfg.Kubernetes.Namespace, Audience: cfg.Serve.Audience, MaxStreams: cfg.Serve.MaxStreams, MaxStreamsOfUser: cfg.Serve.MaxStreamsOfUser,
		MemoryOfUser: cfg.Serve.MemoryOfUser, WriteTimeout: cfg.Serve.WriteTimeout,
	}, parts)
	api.Measure(metrics.NewServe(p.registry, api.Streams, api.Memory))
	if cfg.Serve.Loki {
		api.Add(loki.Routes(loki.Config{
			Reader: reader, Store: store, May: api.May, Log: p.log.With("component", "loki"), Metrics: metrics.NewLoki(p.registry), Now: p.clock.Now,
			Version: version,
		})...)
	}
	return api, nil
}

// listeners are the addresses that the program answers at.
type listeners struct {
	health, metrics net.Listener
	api             net.Listener // nil: there is no API
}

// listen opens the addresses, before anything runs that would have to be stopped if one is taken.
func (p *parts) listen(ctx context.Context, cfg config.Config) (l listeners, err error) {
	if l.health, err = serve.Listen(ctx, cfg.Process.HealthListen); err != nil {
		return l, err
	}
	if l.metrics, err = serve.Listen(ctx, cfg.Process.MetricsListen); err != nil || p.api == nil {
		return l, err
	}
	if l.api, err = serve.Listen(ctx, cfg.Serve.Listen); err == nil {
		p.log.Info("API listens", "address", l.api.Addr().String(), "auth", cfg.Serve.Auth, "tls", cfg.Serve.CertFile != "")
	}
	return l, err
}

// servers answer until the context ends.
func (p *parts) servers(l listeners, ready func() string) func(ctx context.Context) error {
	all := []func(context.Context) error{
		func(ctx context.Context) error {
			return serve.Run(ctx, l.health, serve.Health{Ready: ready}.Handler(), nil)
		},
		func(ctx context.Context) error { return serve.Run(ctx, l.metrics, p.scrape, nil) },
	}
	if l.api != nil {
		all = append(all, func(ctx context.Context) error { return p.api.Run(ctx, l.api) })
	}
	return process.Together(all...)
}

func whoMayRead(cfg config.Config) (serve.Access, error) {
	if cfg.Serve.Auth == "none" {
		return access.Anyone{}, nil
	}
	return reviews(cfg)
}

// reviews ask the API server over a client of their own: a flood of wrong tokens must not hold up what keeps logs.
func reviews(cfg config.Config) (serve.Access, error) {
	own, err := restConfig(cfg.Kubernetes)
	if err != nil {
		return nil, err
	}
	own.RateLimiter = api.NewLimit(cfg.Kubernetes.QPS, cfg.Kubernetes.Burst)
	client, err := kubernetes.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return access.NewReviews(client, cfg.Serve.Audience), nil
}
