package launch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// answer keeps the answer of a request that may arrive when nobody waits for it any more.
func answer[T any](ctx context.Context, r *replica, do func() (T, error)) (T, error) {
	got := make(chan T, 1)
	err := r.request(ctx, func() error {
		v, err := do()
		got <- v
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return <-got, nil
}

func (r *replica) askJob(ctx context.Context, name string) (*batchv1.Job, error) {
	return answer(ctx, r, func() (*batchv1.Job, error) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		return r.w.jobs[name], nil
	})
}

// api is a replica's way to the API server. It is not the replica itself because the cache has methods of the same
// names.
type api struct{ *replica }

func (a api) Job(ctx context.Context, name string) (*batchv1.Job, error) { return a.askJob(ctx, name) }

func (a api) Jobs(ctx context.Context) ([]*batchv1.Job, error) {
	return answer(ctx, a.replica, func() ([]*batchv1.Job, error) {
		a.w.mu.Lock()
		defer a.w.mu.Unlock()
		return slices.Collect(maps.Values(a.w.jobs)), nil
	})
}

func (a api) Patch(ctx context.Context, job *batchv1.Job, c change) error {
	return a.request(ctx, func() error { return a.w.patch(job, c) })
}

func (a api) EndPod(ctx context.Context, pod *corev1.Pod, why string) error {
	return a.request(ctx, func() error {
		if why == "" {
			return errors.New("a pod is ended, and nobody says why")
		}
		a.w.mu.Lock()
		defer a.w.mu.Unlock()
		p := a.w.pods[pod.Labels["job"]].DeepCopy()
		p.Spec.ActiveDeadlineSeconds = new(int64(1))
		a.w.pods[pod.Labels["job"]] = p
		a.w.tell(event{pod: p})
		return nil
	})
}

func (a api) Read(ctx context.Context) (ticket, error) {
	return answer(ctx, a.replica, func() (ticket, error) {
		a.w.mu.Lock()
		defer a.w.mu.Unlock()
		return a.w.ticket, nil
	})
}

func (a api) Write(ctx context.Context, t ticket) (ticket, error) {
	return answer(ctx, a.replica, func() (ticket, error) {
		a.w.mu.Lock()
		defer a.w.mu.Unlock()
		if t.version != a.w.ticket.version {
			return ticket{}, errConflict
		}
		a.w.version++
		t.version = strconv.Itoa(a.w.version)
		a.w.ticket = t
		return t, nil
	})
}
