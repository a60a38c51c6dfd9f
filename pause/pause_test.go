package pause

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDoubling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := Backoff{First: time.Second, Last: 5 * time.Second, Even: true}
		var got []time.Duration
		for range 5 {
			began := time.Now()
			if err := again.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			got = append(got, time.Since(began))
		}
		if want := []time.Duration{1e9, 2e9, 4e9, 5e9, 5e9}; !slices.Equal(got, want) {
			t.Errorf("got waits of %v, want %v", got, want)
		}
	})
}

// TestContextEnds: who waits is told at once.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := For(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got error %v after %s, want the context's after 1s", err, time.Since(began))
		}
	})
}
