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

// TestUntil: whichever comes first ends the wait, and only the context's end is an error.
func TestUntil(t *testing.T) {
	tests := []struct {
		name    string
		woken   time.Duration
		ended   time.Duration // 0: never
		want    time.Duration
		wantErr error
	}{
		{"woken", time.Second, 0, time.Second, nil},
		{"time is over", time.Minute, time.Minute, 10 * time.Second, nil},
		{"the context ends", time.Minute, 2 * time.Second, 2 * time.Second, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.ended > 0 {
					time.AfterFunc(tt.ended, cancel)
				}
				wake := make(chan struct{}, 1)
				time.AfterFunc(tt.woken, func() { wake <- struct{}{} })
				began := time.Now()
				err := Until(ctx, wake, 10*time.Second)
				if got := time.Since(began); got != tt.want || !errors.Is(err, tt.wantErr) {
					t.Errorf("got %v after %s, want %v after %s", err, got, tt.wantErr, tt.want)
				}
			})
		})
	}
}
