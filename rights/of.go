package rights

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/config"
)

// Of is what a daemon with these settings is going to do in the cluster.
func Of(cfg config.Config) []Use {
	jobs := cfg.Kubernetes.Namespace
	all := []Use{{Namespace: jobs, Rights: Watching, Without: "no log can be kept", Vital: true}}
	if own := cfg.Replica.OwnNamespace(); own != "" && cfg.Replica.LeaseDuration > 0 {
		all = append(all, Use{Namespace: own, Rights: Sharing, Without: "replicas cannot share the work", Vital: true})
		if cfg.Replica.Account != "" {
			all = append(all, Use{Namespace: own, Rights: Knowing, Without: "whoever can write Leases there can keep logs from being read"})
		}
	}
	all = append(all, Use{
		Namespace: metav1.NamespaceSystem, Rights: Identifying, Without: "what another cluster keeps under the same prefix is taken for this one's",
	})
	if cfg.Cleanup.Acts() || cfg.Launch.Enabled {
		all = append(all, Use{Namespace: jobs, Rights: Holding, Without: "no Job is held until its logs are safe"},
			Use{Namespace: jobs, Rights: Ending(jobs), Without: "the gate may keep a deleted namespace"})
	}
	if cfg.Cleanup.Acts() && cfg.Cleanup.Enabled {
		all = append(all, Use{Namespace: jobs, Rights: Deleting, Without: "nothing is deleted"})
	}
	if cfg.Serve.Listen != "" && cfg.Serve.Auth != "none" {
		all = append(all, Use{Namespace: metav1.NamespaceAll, Rights: Serving, Without: "the API lets nobody in"})
	}
	if cfg.Metrics.Auth != "none" {
		all = append(all, Use{Namespace: metav1.NamespaceAll, Rights: Serving, Without: "the metrics let nobody in"})
	}
	if cfg.Launch.Enabled {
		launching := launching
		if cfg.Launch.RegistrySecret != "" {
			launching = append(slices.Clip(launching), registryLogin(cfg.Launch.RegistrySecret)...)
		}
		all = append(all, Use{Namespace: jobs, Rights: launching, Without: "nothing is launched"})
	}
	return all
}
