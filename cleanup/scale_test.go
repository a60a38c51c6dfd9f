package cleanup

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
)

// TestTenThousandAtOnce has so many Jobs due in the same second: they go at the configured rate, by three requests
// each.
func TestTenThousandAtOnce(t *testing.T) {
	const count, perSecond = 10_000 / fewer, 100
	inBubble(t, func(b *bench) {
		b.cfg.Rate, b.cfg.Gate = perSecond, config.GateNever
		for n := range count {
			j, p := b.finished(fmt.Sprintf("job-%d", n))
			b.shelf.put(p, archive.Complete)
			b.shelf.write(j.UID)
			b.lookout.sealed[p.UID] = true
		}
		var last time.Time
		b.api.deletes = func(metav1.Object, *metav1.DeleteOptions) { last = time.Now() }
		b.lookout.since = time.Now()
		begin := time.Now().Add(b.cfg.TTLSuccess)
		b.start()
		after(b.cfg.TTLSuccess + 2*count/perSecond*time.Second)
		if got := len(b.api.jobs); got != 0 {
			t.Fatalf("got %d Jobs left, want none", got)
		}
		total := 0
		for _, n := range b.api.calls {
			total += n
		}
		if most := 3 * count; total > most {
			t.Errorf("got %d requests, want at most %d", total, most)
		}
		if took, want := last.Sub(begin), count/perSecond*time.Second; took < want*95/100 || took > want*105/100 {
			t.Errorf("got them gone in %s, want about %s", took, want)
		}
		t.Logf("%d Jobs gone in %s, %.2f requests each", count, last.Sub(begin), float64(total)/count)
	})
}

// TestHundredThousandAtStart are finished and not due: nothing is asked of the API server for them.
func TestHundredThousandAtStart(t *testing.T) {
	const count = 100_000 / fewer
	inBubble(t, func(b *bench) {
		b.cfg.Gate = config.GateAlways
		for n := range count {
			_, p := b.finished(fmt.Sprintf("job-%d", n))
			b.shelf.put(p, archive.Complete)
			b.lookout.sealed[p.UID] = true
		}
		after(time.Hour)
		b.lookout.since = time.Now()
		before := heap()
		b.start()
		for uid := range b.lookout.jobs {
			b.finish(uid) // the first start beside old Jobs: each document is new
		}
		after(time.Minute)
		if got := len(b.api.calls); got != 0 {
			t.Errorf("got requests for %d Jobs, want none: nothing is due", got)
		}
		each := float64(heap()-before) / count
		if most := 1000.0; each > most {
			t.Errorf("got %.0f bytes of memory for each Job, want at most %.0f", each, most)
		}
		t.Logf("%.0f bytes for each Job that waits", each)
		b.stop()
	})
}
