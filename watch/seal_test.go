package watch

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/metrics"
)

// TestDamageIsCounted: gaps that only the spool knows of are in the metric too, and the others not twice.
func TestDamageIsCounted(t *testing.T) {
	count := metrics.NewFollow(prometheus.NewRegistry())
	countDamage(count, []archive.Gap{
		{Reason: archive.GapRotated}, {Reason: archive.GapDamaged}, {AfterLine: 9, Reason: archive.GapDamaged, More: 2},
	})
	for reason, want := range map[archive.GapReason]float64{archive.GapDamaged: 4, archive.GapRotated: 0} {
		if got := testutil.ToFloat64(count.Gaps.WithLabelValues(string(reason))); got != want {
			t.Errorf("got %g gaps of %s, want %g", got, reason, want)
		}
	}
}
