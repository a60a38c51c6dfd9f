package retention

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// expiry is what becomes of one Job, or of one bare pod, whose day has passed.
type expiry struct {
	retention *Retention
	ref       archive.PodRef // of a Job: without a pod
	day       archive.Key    // the index key that led here
	cutoff    time.Time
	open      map[archive.PodUID]bool // pods that a spool or a journal still has: their seals may be under way

	workloads []archive.Key // index keys, of pods with strange names, too
	document  []archive.Key // the Job's
	manifests []archive.Key
	logs      []archive.Key
}

// folder holds all that is kept of it.
func (e *expiry) folder() string {
	if e.ref.Job == "" {
		return e.ref.Prefix()
	}
	return e.ref.JobPrefix()
}

// run deletes it unless something says that it is still needed or not old enough.
func (e *expiry) run(ctx context.Context) error {
	r := e.retention
	if r.cfg.Leave(e.ref) || e.open[e.ref.PodUID] {
		return nil
	}
	due, err := e.look(ctx)
	if err != nil || !due {
		return err
	}
	for _, keys := range [][]archive.Key{e.workloads, e.document, e.manifests, e.logs, {e.day}} {
		if err := e.delete(ctx, keys); err != nil {
			return err
		}
	}
	r.counts.jobs.Add(1)
	return e.mend(ctx)
}

func (e *expiry) delete(ctx context.Context, keys []archive.Key) error {
	if len(keys) == 0 {
		return nil
	}
	if err := e.retention.store.Delete(ctx, keys...); err != nil {
		return err
	}
	e.retention.counts.objects.Add(int64(len(keys)))
	return nil
}

// look lists what is kept, and reads the manifests. It is not due where one of them is younger than the cutoff, or
// cannot be read: that may be one of a later version, which means something to somebody.
func (e *expiry) look(ctx context.Context) (due bool, err error) {
	r := e.retention
	for object, err := range r.store.List(ctx, e.folder(), "") {
		if err != nil {
			return false, err
		}
		if !e.sort(object.Key) {
			return false, nil
		}
	}
	if len(e.manifests) == 0 && len(e.document) > 0 {
		return e.lookAtDocument(ctx)
	}
	seen := map[archive.Key]bool{}
	for _, key := range e.manifests {
		m, err := format.ReadManifest(ctx, r.store, key)
		switch {
		case errors.Is(err, archive.ErrNotFound):
			continue // another replica is at it, too
		case errors.Is(err, archive.ErrDamaged) || err == nil && m.SealedAt.IsZero():
			r.counts.unreadable.Add(1)
			r.log.Warn("a manifest cannot be read; its logs stay", "key", key, "err", err)
			return false, nil
		case err != nil:
			return false, err
		case !m.SealedAt.Before(e.cutoff) || r.journal.Spool.IsForeign(m.Cluster):
			return false, nil
		}
		for _, k := range m.Ref().IndexKeys(time.Time{}, m.Workloads)[1:] { // the day's goes last
			if !seen[k] {
				seen[k] = true
				e.workloads = append(e.workloads, k)
			}
		}
	}
	return true, nil
}

// lookAtDocument is look for a Job that never had a pod: it is as old as its document, which may be much younger than
// the Job where that was suspended.
func (e *expiry) lookAtDocument(ctx context.Context) (due bool, err error) {
	r := e.retention
	d, err := format.ReadDocument(ctx, r.store, e.ref.JobKey())
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return true, nil // another replica is at it, too
	case errors.Is(err, archive.ErrDamaged):
		r.counts.unreadable.Add(1)
		r.log.Warn("a Job's document cannot be read; it stays", "key", e.ref.JobKey(), "err", err)
		return false, nil
	case err != nil:
		return false, err
	}
	for _, w := range d.Workloads {
		e.workloads = append(e.workloads, e.ref.WorkloadIndexKey(w))
	}
	return d.WrittenAt.Before(e.cutoff) && !r.journal.Spool.IsForeign(d.Cluster), nil
}

// sort puts a key where it belongs. It is false where the key shows that a pod is not sealed yet. What has none of the
// archive's forms is not the archive's.
func (e *expiry) sort(key archive.Key) bool {
	name, _ := strings.CutPrefix(string(key), e.ref.JobPrefix())
	if e.ref.Job != "" && key == e.ref.JobKey() {
		e.document = append(e.document, key)
		return true
	}
	pod, file, _ := strings.Cut(name, "/")
	uid := archive.PodUID(pod[strings.LastIndexByte(pod, '.')+1:])
	switch {
	case file == "" || strings.Contains(file, "/"):
		return true
	case e.open[uid]:
		return false
	case archive.IsManifestKey(key):
		e.manifests = append(e.manifests, key)
	case archive.IsLogName(file):
		e.logs = append(e.logs, key)
	}
	return true
}

// mend puts the index keys back where a pod was sealed meanwhile, or the document written: its sealer may have put
// them before they were deleted here. One that seals from now on puts them after its manifest.
func (e *expiry) mend(ctx context.Context) error {
	for object, err := range e.retention.store.List(ctx, e.folder(), "") {
		if err != nil {
			return err
		}
		if !archive.IsManifestKey(object.Key) && object.Key != e.ref.JobKey() {
			continue
		}
		for _, key := range append(e.workloads, e.day) {
			if err := e.retention.store.Put(ctx, key, bytes.NewReader(nil), archive.PutOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}
