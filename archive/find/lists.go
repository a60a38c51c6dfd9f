package find

import (
	"context"
	"encoding/json"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/bounded"
)

// listCache holds what lists have read, so that asking again and again does not cost a request for each Job. That a Job
// is listed at all is read from the index each time: what the retention took is not given from here, because the index
// key goes with it.
type listCache struct {
	jobs *bounded.Cache[string, settledJob] // by the name in the index
	// manifests of Jobs that have no document yet. They never change, and are given only where a listing has just shown
	// one of this size.
	manifests *bounded.Cache[archive.Object, *archive.Manifest]
}

// settledJob is one of which nothing new is to come. Its document never changes, but it can be deleted by hand, or by a
// retention that died before it came to the index key. So it is good for a while only.
type settledJob struct {
	archive.KeptJob
	until time.Time
}

const (
	// listedFor is how much later than in the store a deletion by hand shows in a list.
	listedFor = time.Minute
	// QuietAfter is how long after the last seal a Job without a document counts as one that gets none: it was deleted
	// before it finished. It is longer than Kubernetes waits before a Job's next try (6 minutes at most).
	QuietAfter = 10 * time.Minute
	// listedBytes bounds the JSON of the documents, and that of the manifests. Read, they take up to twice as much
	// memory (measured: 1.8). A document of one pod has about a KiB: some eight thousand Jobs.
	listedBytes = 8 << 20
)

func newListCache() listCache {
	return listCache{bounded.New[string, settledJob](listedBytes), bounded.New[archive.Object, *archive.Manifest](listedBytes)}
}

// get returns a copy of a settled Job, nil where it is not known. open says that some pod of it is not sealed: then
// only a document stands, behind which no pod comes.
func (c *listCache) get(name string, open bool) *archive.KeptJob {
	s, ok := c.jobs.Get(name)
	switch {
	case !ok:
		return nil
	case open && !s.Finished, !time.Now().Before(s.until):
		c.jobs.Drop(name)
		return nil
	}
	return &s.KeptJob
}

// put takes in a Job if it is settled.
func (c *listCache) put(name string, job *archive.KeptJob) {
	now := time.Now()
	if !job.Finished && (job.Open || now.Sub(job.SealedAt) < QuietAfter) {
		return
	}
	text, err := json.Marshal(&job.Document)
	if err != nil {
		return
	}
	c.jobs.Put(name, settledJob{*job, now.Add(listedFor)}, len(text))
}

// listedManifest returns a manifest that was just seen in the store. It must not be changed.
func (r *Finder) listedManifest(ctx context.Context, object archive.Object) (*archive.Manifest, error) {
	if m, ok := r.lists.manifests.Get(object); ok {
		return m, nil
	}
	m, err := r.StoredManifest(ctx, object)
	if err == nil {
		r.lists.manifests.Put(object, m, int(object.Size))
	}
	return m, err
}
