package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestStages: they begin from the first to the last, and stop from the last to the first, each once those behind it have stopped. The
// error is that of the one nearest to the last.
func TestStages(t *testing.T) {
	inner, outer := errors.New("inner"), errors.New("outer")
	for name, test := range map[string]struct {
		errs [3]error
		want error
	}{
		"no error":             {want: nil},
		"the first fails":      {errs: [3]error{outer, nil, nil}, want: outer},
		"the last counts most": {errs: [3]error{outer, nil, inner}, want: inner},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var happened []string
				note := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					happened = append(happened, what)
				}
				part := func(name string, err error) func(context.Context) error {
					return func(ctx context.Context) error {
						<-ctx.Done()
						note(name + " stops")
						return err
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- inStages(ctx, []stage{
						{name: "servers", run: part("servers", test.errs[0])},
						{name: "lease", before: func(context.Context) { note("before the lease") }, run: part("lease", test.errs[1])},
						{name: "work", run: together(part("work", test.errs[2]), func(context.Context) error { return nil })},
					}, slog.New(slog.DiscardHandler))
				}()
				synctest.Wait()
				note("told to stop")
				cancel()
				if err := <-ended; !errors.Is(err, test.want) {
					t.Errorf("got error %v, want %v", err, test.want)
				}
				want := []string{"before the lease", "told to stop", "work stops", "lease stops", "servers stops"}
				if !slices.Equal(happened, want) {
					t.Errorf("got %v, want %v", happened, want)
				}
			})
		})
	}
}
