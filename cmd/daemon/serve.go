package main

import (
	"context"
	"fmt"
	"net"

	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/watch"
)

// newAPI makes the API that gives logs back, nil where there is none. Other parts add their routes before it serves.
func (p *parts) newAPI(cfg config.Config, store archive.Store, codec *archive.Codec) (*serve.API, error) {
	if cfg.Serve.Listen == "" {
		return nil, nil
	}
	log := p.log.With("component", "api")
	reader := archive.NewReader(archive.ReaderConfig{
		Store: store, Codec: codec, Spool: p.spool, Replica: replica(cfg.Replica), Poll: cfg.Replica.JournalInterval,
	})
	who, err := whoMayRead(cfg)
	if err != nil {
		return nil, err
	}
	parts := serve.Parts{Access: who, Reader: reader, Objects: reader, Peers: p.watcher, Log: log}
	parts.Messages = func(ctx context.Context, workload string) ([]archive.Message, error) {
		return archive.Messages(ctx, store, workload)
	}
	if cfg.Serve.CertFile != "" {
		certificate, err := serve.OpenCertificate(cfg.Serve.CertFile, cfg.Serve.KeyFile, log)
		if err != nil {
			return nil, err
		}
		parts.Certificate = certificate.Current
	}
	api := serve.NewAPI(serve.Config{
		Namespace: cfg.Kubernetes.Namespace, MaxStreams: cfg.Serve.MaxStreams, MaxStreamsOfUser: cfg.Serve.MaxStreamsOfUser,
		WriteTimeout: cfg.Serve.WriteTimeout,
	}, parts)
	api.Measure(metrics.NewServe(p.registry, api.Streams))
	return api, nil
}

// listenAPI opens the API's address; nil where there is no API.
func (p *parts) listenAPI(ctx context.Context, cfg config.Serve) (net.Listener, error) {
	if p.api == nil {
		return nil, nil
	}
	l, err := serve.Listen(ctx, cfg.Listen)
	if err != nil {
		return nil, err
	}
	p.log.Info("API listens", "address", l.Addr().String(), "auth", cfg.Auth, "tls", cfg.CertFile != "")
	return l, nil
}

// serveAPI serves the API until the context ends.
func (p *parts) serveAPI(ctx context.Context, l net.Listener) error {
	if l == nil {
		return nil
	}
	return p.api.Run(ctx, l)
}

// whoMayRead asks the API server over a client of its own: a flood of wrong tokens must not hold up what keeps logs.
func whoMayRead(cfg config.Config) (serve.Access, error) {
	if cfg.Serve.Auth == "none" {
		return access.Anyone{}, nil
	}
	own, err := restConfig(cfg.Kubernetes)
	if err != nil {
		return nil, err
	}
	own.RateLimiter = watch.NewAPILimit(cfg.Kubernetes.QPS, cfg.Kubernetes.Burst)
	client, err := kubernetes.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return access.NewReviews(client, cfg.Serve.Audience), nil
}

// apiAddress is where the other replicas reach this one's API, "" where they do not.
func apiAddress(cfg config.Config) string {
	_, port, err := net.SplitHostPort(cfg.Serve.Listen)
	if err != nil || cfg.Replica.Address == "" {
		return ""
	}
	return net.JoinHostPort(cfg.Replica.Address, port)
}
