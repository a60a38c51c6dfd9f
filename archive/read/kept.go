package read

import (
	"context"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
)

// ReadKept is Read of a sealed pod by what its manifest says, without looking for it: for whoever has read the manifest
// before. Of the records those count that the query's containers and restart pick, and of these no more than the
// instance, the verdict and the log.
func (r *Reader) ReadKept(ctx context.Context, m *archive.Manifest, q archive.Query) (*archive.Answer, error) {
	q.Target, q.Follow = m.Pod.Target(), false
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return r.answer(ctx, &q, &find.Found{Pods: []*find.FoundPod{{Manifest: m, Sealed: true}}})
}
