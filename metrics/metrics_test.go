package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

func registered(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	zero := func() float64 { return 0 }
	NewFollow(r).Gaps.WithLabelValues("rotated")
	NewOwn(r)
	api := NewServe(r, func() (int, int) { return 0, 0 })
	api.Requests.WithLabelValues("GET /api/v1/namespaces/{namespace}/jobs", "200")
	api.Refused.WithLabelValues("user")
	api.Forwarded.WithLabelValues("answered")
	JournalCounts{Objects: zero, Bytes: zero, Reframed: zero, Compacted: zero, Collisions: zero, Removed: zero}.Register(r)
	RetentionCounts{Jobs: zero, Objects: zero, Journals: zero, Uploads: zero, Unreadable: zero, Failures: zero, Last: zero}.Register(r)
	NewSeal(r).Logs.WithLabelValues("complete")
	cleanup := NewCleanup(r)
	cleanup.Deleted.WithLabelValues("job", "history")
	cleanup.DryRun.WithLabelValues("delete-job", "history")
	for _, byReason := range []*prometheus.CounterVec{cleanup.Blocked, cleanup.Released, cleanup.Ended} {
		byReason.WithLabelValues("store")
	}
	cleanup.Stuck.WithLabelValues("image-pull")
	launch := NewLaunch(r)
	launch.Requests.WithLabelValues("runner", "created")
	launch.Started.WithLabelValues("runner")
	LaunchQueue{Waiting: zero, WaitingLimit: zero, Running: zero, RunningLimit: zero}.Register(r)
	Gauges{
		SpoolUsed: zero, SpoolLimit: zero, BufferUsed: zero, BufferLimit: zero, StreamsOpen: zero, StreamsLimit: zero,
		RequestsUsed: zero, RequestsLimit: zero, OpenLogs: zero, UnsealedPods: zero, OldestUnsealed: zero, StoreWorks: zero,
		InformersSynced: zero, Replicas: zero, JournalLag: zero,
	}.Register(r)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestMetricsAreWellNamed(t *testing.T) {
	families := registered(t)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "epilogue_") {
			t.Errorf("%s does not begin with epilogue_", f.GetName())
		}
	}
}

// TestLabelsAreBounded: a label that names a pod, a Job or a run grows without end.
func TestLabelsAreBounded(t *testing.T) {
	allowed := map[string]bool{"reason": true, "verdict": true, "kind": true, "result": true, "action": true, "route": true, "code": true}
	for _, f := range registered(t) {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !allowed[l.GetName()] {
					t.Errorf("%s has the label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}
