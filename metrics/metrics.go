// Package metrics declares every metric of the daemon in one place, with its help text. It holds no logic and no
// globals: each part of the program gets a small struct of its own, registered on the registry that is passed in.
//
// No metric carries the name of a pod, a Job or a run: labels come from fixed sets.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const namespace = "epilogue"

// latency returns a histogram with classic buckets for dashboards that know no other, and native ones.
func latency(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

// reading is a metric that is asked for at a scrape.
type reading struct {
	name, help string
	value      func() float64
}

func gaugeReadings(r prometheus.Registerer, list ...reading) {
	f := promauto.With(r)
	for _, x := range list {
		f.NewGaugeFunc(gauge(x.name, x.help), x.value)
	}
}

// counterReadings are of numbers that only grow.
func counterReadings(r prometheus.Registerer, list ...reading) {
	f := promauto.With(r)
	for _, x := range list {
		f.NewCounterFunc(counter(x.name, x.help), x.value)
	}
}

// FromZero has a counter show these values of its one label from the start: of a series that begins with 1 nobody sees
// that it rose.
func FromZero[T ~string](c *prometheus.CounterVec, values ...T) {
	for _, v := range values {
		c.WithLabelValues(string(v))
	}
}

// Follow counts what the followers do.
type Follow struct {
	Opened    prometheus.Counter
	BytesRead prometheus.Counter
	Lines     prometheus.Counter
	Stalled   prometheus.Counter
	SpoolFull prometheus.Counter
	Gaps      *prometheus.CounterVec // by reason
}

// NewFollow declares the followers' metrics.
func NewFollow(r prometheus.Registerer) *Follow {
	f := promauto.With(r)
	return &Follow{
		Opened:    f.NewCounter(counter("log_requests_total", "Requests for logs that were sent to the API server.")),
		BytesRead: f.NewCounter(counter("log_read_bytes_total", "Bytes of log that were read from the API server, with their timestamps and with what is read again.")),
		Lines:     f.NewCounter(counter("log_lines_total", "Log lines that were taken into the spool.")),
		Stalled:   f.NewCounter(counter("log_streams_stalled_total", "Log streams that hung and were opened anew.")),
		SpoolFull: f.NewCounter(counter("spool_full_total", "Log streams that were closed because the spool had no room.")),
		Gaps:      f.NewCounterVec(counter("log_gaps_total", "Places in logs where lines are missing or may be, by reason."), []string{"reason"}),
	}
}

// Seal counts what becomes of logs and pods.
type Seal struct {
	Logs        *prometheus.CounterVec // by verdict
	Seams       prometheus.Counter
	Pods        prometheus.Counter
	Lines       prometheus.Counter
	TextBytes   prometheus.Counter
	StoredBytes prometheus.Counter
	Failures    prometheus.Counter
	Refused     prometheus.Counter
	Latency     prometheus.Histogram
	LastSealed  prometheus.Gauge
}

// NewSeal declares the sealer's metrics.
func NewSeal(r prometheus.Registerer) *Seal {
	f := promauto.With(r)
	return &Seal{
		Logs:        f.NewCounterVec(counter("logs_sealed_total", "Logs of container instances that were sealed, by verdict."), []string{"verdict"}),
		Seams:       f.NewCounter(counter("log_seams_total", "Places in sealed logs where one file ends and the next begins, and nothing proves that all of the old one was served.")),
		Pods:        f.NewCounter(counter("pods_sealed_total", "Pods whose manifest is in the store.")),
		Lines:       f.NewCounter(counter("sealed_lines_total", "Log lines in sealed logs.")),
		TextBytes:   f.NewCounter(counter("sealed_text_bytes_total", "Bytes of text in sealed logs.")),
		StoredBytes: f.NewCounter(counter("sealed_stored_bytes_total", "Bytes of the log objects of sealed logs.")),
		Failures:    f.NewCounter(counter("store_failures_total", "Requests to the object store that failed and are tried again.")),
		Refused:     f.NewCounter(counter("seals_refused_total", "Tries to seal a pod, or to write the document of a Job, that the store refused although it works for others. They are repeated with growing pauses.")),
		Latency: f.NewHistogram(latency("seal_delay_seconds", "Time from the end of a pod's last container to its manifest in the store.",
			[]float64{0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800, 7200})),
		LastSealed: f.NewGauge(gauge("last_sealed_timestamp_seconds", "When a pod was sealed last, in seconds since 1970.")),
	}
}

// Own counts what changes hands between replicas.
type Own struct {
	TakenOver  prometheus.Counter
	HandedOver prometheus.Counter
	Fenced     prometheus.Counter
	Suspended  prometheus.Counter
}

// NewOwn declares the metrics of ownership.
func NewOwn(r prometheus.Registerer) *Own {
	f := promauto.With(r)
	return &Own{
		TakenOver:  f.NewCounter(counter("pods_taken_over_total", "Pods whose logs were taken from a journal, of a replica that died or handed them over.")),
		HandedOver: f.NewCounter(counter("pods_handed_over_total", "Pods whose logs were put into the journal and left to another replica.")),
		Fenced:     f.NewCounter(counter("pods_fenced_total", "Pods that turned out to be sealed already, so that what was held of them here was dropped.")),
		Suspended:  f.NewCounter(counter("suspended_total", "Times that this replica stopped work because it could not renew its Lease.")),
	}
}

// Gauges are what is asked for at the time of a scrape.
type Gauges struct {
	SpoolUsed, SpoolLimit     func() float64
	BufferUsed, BufferLimit   func() float64
	StreamsOpen, StreamsLimit func() float64
	RequestsUsed              func() float64
	RequestsLimit             func() float64
	OpenLogs                  func() float64
	UnsealedPods              func() float64
	OldestUnsealed            func() float64
	StoreWorks                func() float64
	InformersSynced           func() float64
	Replicas                  func() float64
	JournalLag                func() float64
}

// Register declares the gauges.
func (g Gauges) Register(r prometheus.Registerer) {
	gaugeReadings(r, []reading{
		{"spool_used_bytes", "Bytes of the spool that are in use.", g.SpoolUsed},
		{"spool_limit_bytes", "Bytes that the spool may use.", g.SpoolLimit},
		{"buffer_used_bytes", "Bytes of log text in memory that are not on disk yet.", g.BufferUsed},
		{"buffer_limit_bytes", "Bytes of log text that may be in memory before it is put on disk early.", g.BufferLimit},
		{"log_streams_open", "Log streams that are open.", g.StreamsOpen},
		{"log_streams_limit", "Log streams that may be open at once.", g.StreamsLimit},
		{"api_requests_used", "Requests to the API server of those that may go out at once that are taken. When all are, requests wait.", g.RequestsUsed},
		{"api_requests_limit", "Requests to the API server that may go out at once.", g.RequestsLimit},
		{"open_logs", "Logs of container instances that are in the spool.", g.OpenLogs},
		{"unsealed_pods", "Pods that have ended and whose manifest is not in the store yet.", g.UnsealedPods},
		{"oldest_unsealed_seconds", "Time since the end of the pod that has waited longest for its manifest; 0 where none waits.", g.OldestUnsealed},
		{"store_up", "1 where the object store answered last, 0 while it is in trouble.", g.StoreWorks},
		{"replicas", "Replicas that are live, as this one sees it; 0 while it does not hold its own Lease.", g.Replicas},
		{"journal_lag_seconds", "Age of the oldest line that is not in the journal yet: what the loss of this replica's disk costs at most, where the kubelet has it no more.", g.JournalLag},
		{"informer_synced", "1 once the caches of pods and Jobs are filled.", g.InformersSynced},
	}...)
}

// JournalCounts are asked for at the time of a scrape. They only grow.
type JournalCounts struct {
	Objects, Bytes, Reframed, Compacted, Collisions, Removed func() float64
}

// Register declares the counts.
func (c JournalCounts) Register(r prometheus.Registerer) {
	counterReadings(r, []reading{
		{"journal_objects_total", "Objects that were put into the journal.", c.Objects},
		{"journal_bytes_total", "Bytes that were put into the journal.", c.Bytes},
		{"journal_reframed_bytes_total", "Bytes of these in frames that were not full, whose lines come again when they are.", c.Reframed},
		{"journal_compacted_bytes_total", "Bytes of these in frames that were in the journal before, and are written again side by side.", c.Compacted},
		{"journal_collisions_total", "Objects of the journal whose number another process under this replica's name had taken. Numbers begin with the time of the start, so 0 does not prove that there is none: two replicas must not have one name.", c.Collisions},
		{"journal_removed_total", "Objects that were removed from journals because nobody needed them any more.", c.Removed},
	}...)
}
