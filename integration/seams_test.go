//go:build integration

package integration

import (
	"testing"
)

// TestSeamsAreTold has a log rotated while it is read, with nothing missing. It is not called complete: manifest,
// header and metric say how many seams are unproven.
func TestSeamsAreTold(t *testing.T) {
	t.Parallel()
	r, p, c := started(t, setting{})
	write(c, 0, 10)
	r.followed(c)
	c.Rotate()
	write(c, 10, 20)
	r.followed(c)
	c.Exit(0)
	record := r.complete(p, c)
	if got, want := record.Seams, int64(1); got != want {
		t.Errorf("got %d seams in the manifest, want %d", got, want)
	}
	r.allow("reader", "get", "pods/log")
	resp := ask(r.ctx, t, r.api().URL+"/api/v1/namespaces/"+r.ns+"/pods/"+p.Name()+"/log", r.token("reader"))
	defer resp.Body.Close()
	for name, want := range map[string]string{"X-Log-Verdict": "seamed", "X-Log-Seams": "1", "X-Log-Source": "archive"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	r.await("the seal to be counted", func() bool { return r.daemon.value("epilogue_pods_sealed_total") == 1 })
	if got := r.daemon.value("epilogue_log_seams_total"); got != 1 {
		t.Errorf("got %g seams counted, want 1", got)
	}
	for verdict, want := range map[string]float64{"seamed": 1, "complete": 0, "partial": 0} {
		if got := r.daemon.sealedAs(verdict); got != want {
			t.Errorf("got %g logs counted as %s, want %g", got, verdict, want)
		}
	}
}
