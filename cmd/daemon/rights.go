package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/rights"
)

// uses gives what this daemon, by its settings, is going to do in the cluster.
func uses(cfg config.Config) []rights.Use {
	jobs := cfg.Kubernetes.Namespace
	all := []rights.Use{{Namespace: jobs, Rights: rights.Watching, Without: "no log can be kept", Vital: true}}
	if own := leaseNamespace(cfg.Replica); own != "" && cfg.Replica.LeaseDuration > 0 {
		all = append(all, rights.Use{Namespace: own, Rights: rights.Sharing, Without: "replicas cannot share the work", Vital: true})
		if cfg.Replica.Account != "" {
			all = append(all, rights.Use{Namespace: own, Rights: rights.Knowing, Without: "whoever can write Leases there can keep logs from being read"})
		}
	}
	all = append(all, rights.Use{
		Namespace: metav1.NamespaceSystem, Rights: rights.Identifying, Without: "what another cluster keeps under the same prefix is taken for this one's",
	})
	if cfg.Cleanup.Acts() || cfg.Launch.Enabled {
		all = append(all, rights.Use{Namespace: jobs, Rights: rights.Holding, Without: "no Job is held until its logs are safe"},
			rights.Use{Namespace: jobs, Rights: rights.Ending(jobs), Without: "the gate may keep a deleted namespace"})
	}
	if cfg.Cleanup.Acts() && cfg.Cleanup.Enabled {
		all = append(all, rights.Use{Namespace: jobs, Rights: rights.Deleting, Without: "nothing is deleted"})
	}
	if cfg.Serve.Listen != "" && cfg.Serve.Auth != "none" {
		all = append(all, rights.Use{Namespace: metav1.NamespaceAll, Rights: rights.Serving, Without: "the API lets nobody in"})
	}
	if cfg.Metrics.Auth != "none" {
		all = append(all, rights.Use{Namespace: metav1.NamespaceAll, Rights: rights.Serving, Without: "the metrics let nobody in"})
	}
	if cfg.Launch.Enabled {
		launching := rights.Launching
		if cfg.Launch.RegistrySecret != "" {
			launching = append(slices.Clip(launching), rights.RegistryLogin(cfg.Launch.RegistrySecret)...)
		}
		all = append(all, rights.Use{Namespace: jobs, Rights: launching, Without: "nothing is launched"})
	}
	return all
}

// checkRights names every right that is missing, at once. Without one of the vital ones the daemon could only seem to work, so that
// is the end of it; without others it keeps logs all the same, and says what it cannot do. An API server that does not answer is no reason
// to end: the informers wait for it, too.
func checkRights(ctx context.Context, cfg config.Config, client kubernetes.Interface, log *slog.Logger) error {
	missing, err := rights.Missing(ctx, client, uses(cfg)...)
	switch {
	case err != nil:
		log.Warn("own rights are not known", "err", err)
		return nil
	case rights.Vital(missing):
		return fmt.Errorf("%w: %s; want the Roles of the chart (rbac.create=true), or others that give the same", errRights, rights.Text(missing))
	case len(missing) > 0:
		log.Error("rights are missing", "count", len(missing), "missing", rights.Text(missing))
	}
	return nil
}
