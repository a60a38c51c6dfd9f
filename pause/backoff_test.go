package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Backoff{First: 100 * time.Millisecond, Last: time.Second}
		for _, most := range []int{100, 200, 400, 800, 1000, 1000} {
			most := time.Duration(most) * time.Millisecond
			begin := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got < most/2 || got > most {
				t.Errorf("waited %s, want %s to %s", got, most/2, most)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Wait(ctx); err == nil {
			t.Error("got nil from a wait whose context has ended")
		}
	})
}
