package cli

import (
	"context"
	"errors"
	"iter"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/cli/remote"
)

// both asks Epilogue, and the cluster for what Epilogue does not know or where there is none. It says so, because what
// the cluster has is not proven to be whole.
type both struct {
	first, second origin
	warn          func(format string, args ...any)
}

// passes reports whether the second one is to be asked.
func (b *both) passes(err error) bool {
	return errors.Is(err, archive.ErrNotFound) || errors.Is(err, remote.ErrNoDaemon)
}

// Jobs is the first one's.
func (b *both) Jobs(ctx context.Context, q archive.JobQuery) iter.Seq2[archive.KeptJob, error] {
	return b.first.Jobs(ctx, q)
}

// Job is the first one's, or the second one's.
func (b *both) Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error) {
	job, err := b.first.Job(ctx, namespace, name, uid)
	if !b.passes(err) {
		return job, err
	}
	if job, second := b.second.Job(ctx, namespace, name, uid); second == nil {
		return job, nil
	}
	return nil, err // what Epilogue says tells more
}

// Manifest is the first one's, or the second one's.
func (b *both) Manifest(ctx context.Context, pod archive.PodRef) (*archive.Manifest, bool, error) {
	m, sealed, err := b.first.Manifest(ctx, pod)
	if !b.passes(err) {
		return m, sealed, err
	}
	if m, sealed, second := b.second.Manifest(ctx, pod); second == nil {
		return m, sealed, nil
	}
	return nil, false, err
}

// Read is the first one's, or the second one's.
func (b *both) Read(ctx context.Context, q archive.Query) (*archive.Answer, error) {
	answer, err := b.first.Read(ctx, q)
	if !b.passes(err) {
		return answer, err
	}
	if answer, second := b.second.Read(ctx, q); second == nil {
		b.warn("note: Epilogue does not have %s (%v); this is what the cluster has", q.Target, err)
		return answer, nil
	}
	return nil, err
}
