package work

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/epilogue-dev/epilogue/archive/seal"
)

// Queue holds keys that something is to be done for, each once.
type Queue[T comparable] = workqueue.TypedRateLimitingInterface[T]

// New makes a queue by whose name its metrics are told. A key whose work failed comes again after 200 ms, and then each
// time twice as late, up to a minute.
func New[T comparable](name string) Queue[T] {
	return workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[T](200*time.Millisecond, time.Minute),
		workqueue.TypedRateLimitingQueueConfig[T]{Name: name})
}

// Start starts n workers in the group, which end when the queue is shut down. What is in it once the context has ended
// is let go: the next start finds it in the cluster again.
func Start[T comparable](ctx context.Context, group *sync.WaitGroup, n int, queue Queue[T], do func(context.Context, T) error) {
	for range n {
		group.Go(func() {
			for {
				key, stop := queue.Get()
				if stop {
					return
				}
				if ctx.Err() == nil {
					attempt(ctx, queue, key, do)
				}
				queue.Done(key)
			}
		})
	}
}

// attempt works at one key. What has not failed, but gave way to others, comes again behind those that wait.
func attempt[T comparable](ctx context.Context, queue Queue[T], key T, do func(context.Context, T) error) {
	err := do(ctx, key)
	switch {
	case err == nil || ctx.Err() != nil:
		queue.Forget(key)
	case errors.Is(err, seal.ErrUnfinished):
		queue.Forget(key)
		queue.Add(key)
	default:
		queue.AddRateLimited(key)
	}
}
