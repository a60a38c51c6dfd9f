package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestStages: they begin from the first to the last, and stop from the last to the first, each once those behind it
// have stopped. All errors are told.
func TestStages(t *testing.T) {
	inner, outer := errors.New("inner"), errors.New("outer")
	for name, test := range map[string]struct {
		errs [3]error
	}{
		"no error":        {},
		"the first fails": {errs: [3]error{outer, nil, nil}},
		"two fail":        {errs: [3]error{outer, nil, inner}},
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
					ended <- InStages(ctx, []Stage{
						{Name: "servers", Run: part("servers", test.errs[0])},
						{Name: "lease", Before: func(context.Context) { note("before the lease") }, Run: part("lease", test.errs[1])},
						{Name: "work", Run: Together(part("work", test.errs[2]), func(context.Context) error { return nil })},
					}, func(stage string) { note(stage + " is told") })
				}()
				synctest.Wait()
				note("told to stop")
				cancel()
				if got, want := <-ended, errors.Join(test.errs[2], test.errs[1], test.errs[0]); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got error %v, want %v", got, want)
				}
				want := []string{"before the lease", "told to stop", "work stops", "lease is told", "lease stops", "servers is told", "servers stops"}
				if !slices.Equal(happened, want) {
					t.Errorf("got %v, want %v", happened, want)
				}
			})
		})
	}
}
