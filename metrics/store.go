package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Store counts what is asked of the object store, under the names that Thanos, Mimir and Tempo use: their dashboards
// and alerts read it, too. The operations are iter, get, get_range, upload and delete.
type Store struct {
	Operations  *prometheus.CounterVec   // by operation
	Failures    *prometheus.CounterVec   // by operation
	Duration    *prometheus.HistogramVec // by operation
	Transferred *prometheus.HistogramVec // by operation
	LastUpload  prometheus.Gauge
}

// storeOperations are the operations.
var storeOperations = []string{"iter", "get", "get_range", "upload", "delete"}

// NewStore declares the metrics of one bucket, all operations at 0.
func NewStore(r prometheus.Registerer, bucket string) *Store {
	f := promauto.With(r)
	labels := prometheus.Labels{"bucket": bucket}
	s := &Store{
		Operations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "objstore_bucket_operations_total", ConstLabels: labels,
			Help: "Operations on the object store that were begun, by operation.",
		}, []string{"operation"}),
		Failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "objstore_bucket_operation_failures_total", ConstLabels: labels,
			Help: "Operations on the object store that failed, by operation. An object that is not there, or that is there already, is an answer and no failure.",
		}, []string{"operation"}),
		Duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "objstore_bucket_operation_duration_seconds", ConstLabels: labels,
			Help:                        "Time that operations on the object store took which did not fail, by operation; reads until their last byte.",
			Buckets:                     []float64{0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"operation"}),
		Transferred: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "objstore_bucket_operation_transferred_bytes", ConstLabels: labels,
			Help:                        "Bytes that operations on the object store moved which did not fail, by operation.",
			Buckets:                     prometheus.ExponentialBuckets(2<<14, 2, 16),
			NativeHistogramBucketFactor: 2, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"operation"}),
		LastUpload: f.NewGauge(prometheus.GaugeOpts{
			Name: "objstore_bucket_last_successful_upload_time", ConstLabels: labels,
			Help: "When an object was put last, in seconds since 1970; 0 before the first.",
		}),
	}
	for _, operation := range storeOperations {
		s.Operations.WithLabelValues(operation)
		s.Failures.WithLabelValues(operation)
		s.Duration.WithLabelValues(operation)
	}
	for _, operation := range []string{"get", "get_range", "upload"} {
		s.Transferred.WithLabelValues(operation)
	}
	return s
}
