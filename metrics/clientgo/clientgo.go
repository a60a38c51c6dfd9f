// Package clientgo shows what Kubernetes' own libraries count in this process: requests to the API server, queues, and
// with them the process and the Go runtime. It stands apart from metrics so that what keeps logs does not import
// Kubernetes by way of it.
package clientgo

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/component-base/metrics/legacyregistry"
	_ "k8s.io/component-base/metrics/prometheus/restclient" // counts what client-go asks
	_ "k8s.io/component-base/metrics/prometheus/workqueue"  // counts what waits in queues
)

// With returns the metrics of a registry of ours and, with them, those of the process, of the Go runtime and of
// client-go.
//
// These last are the one exception to the rule against globals: client-go can be given its counters once in a process,
// and k8s.io/component-base does so when it is imported, with a registry of its own that has the process and the
// runtime, too. Every component of Kubernetes shows them under these names, and adapters of ours would be a copy of it.
func With(own prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.Gatherers{own, legacyregistry.DefaultGatherer}
}
