package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
)

// Job writes the document of a finished Job from the manifests that are in the store, and says whether it has. Where it
// is there already nothing happens. It says nothing that the manifests do not say, so a crash before it loses nothing.
//
// A Job that never had a pod, as one that was cancelled while it was suspended, has no manifest whose seal would put
// index keys. Its document leads to them: a crash before them leaves a document that the next call finds, and puts
// them.
func (s *Sealer) Job(ctx context.Context, job archive.PodRef, d *archive.JobDocument) (written bool, err error) {
	if there, err := s.jobThere(ctx, job); there || err != nil {
		return false, err
	}
	e, err := s.Evidence(ctx, job)
	if err != nil {
		return false, err
	}
	return s.putJob(ctx, job, d, e)
}

// GoneJob writes the document of a Job that was deleted before it had one, and says whether it has: not of one that no
// manifest tells of. What d leaves out of the Job the manifests tell.
func (s *Sealer) GoneJob(ctx context.Context, job archive.PodRef, d *archive.JobDocument) (written bool, err error) {
	if there, err := s.jobThere(ctx, job); there || err != nil {
		return false, err
	}
	e, err := s.Evidence(ctx, job)
	if err != nil || len(e.Manifests) == 0 {
		return false, err
	}
	if err := s.recoverJob(ctx, job, d, e.Manifests); err != nil {
		return false, err
	}
	return s.putJob(ctx, job, d, e)
}

// recoverJob takes from the manifest that was written last what that tells of a Job which nobody here has seen.
func (s *Sealer) recoverJob(ctx context.Context, job archive.PodRef, d *archive.JobDocument, manifests []*archive.Manifest) error {
	if d.Job.UID == "" {
		newest := slices.MaxFunc(manifests, func(a, b *archive.Manifest) int { return a.SealedAt.Compare(b.SealedAt) })
		m, err := s.Manifest(ctx, newest.Ref()) // most of it is not kept where it was read for a proof
		if err != nil {
			return fmt.Errorf("read a manifest of Job %s/%s: %w", job.Namespace, job.Job, err)
		}
		if d.Workloads = m.Workloads; m.Job != nil {
			d.Job = *m.Job
		}
	}
	d.Job.Name, d.Job.UID = job.Job, job.JobUID
	if d.Job.DeletedAt.IsZero() {
		d.Job.DeletedAt = time.Now().UTC()
	}
	return nil
}

func (s *Sealer) putJob(ctx context.Context, job archive.PodRef, d *archive.JobDocument, e archive.Evidence) (written bool, err error) {
	d.Version, d.Cluster, d.Pods = archive.FormatVersion, s.spool.Cluster, archive.JobPods(e.Manifests)
	d.WrittenAt, d.WrittenBy = time.Now().UTC(), s.name
	text, err := format.EncodeDocument(d)
	if err != nil {
		return false, fmt.Errorf("encode Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	err = s.store.Put(ctx, job.JobKey(), bytes.NewReader(append(text, '\n')), archive.PutOptions{IfAbsent: true, ContentType: "application/json"})
	written = err == nil
	if errors.Is(err, archive.ErrExists) {
		err = nil
	}
	if err == nil && len(d.Pods) == 0 {
		err = s.putKeys(ctx, job.IndexKeys(d.Job.CreatedAt, d.Workloads))
	}
	if err == nil {
		s.spool.Announce(job, d.Workloads)
	}
	return written, err
}

// jobThere reports whether the Job's document is there. Where that names no pod its index keys are put again.
func (s *Sealer) jobThere(ctx context.Context, job archive.PodRef) (bool, error) {
	const look = 16 << 10 // a document without pods is shorter
	text, size, err := format.Fetch(ctx, s.store, job.JobKey(), archive.Range{Length: look})
	if errors.Is(err, archive.ErrNotFound) {
		return false, nil
	}
	if err != nil || size > int64(len(text)) {
		return err == nil, err
	}
	var d archive.JobDocument
	if json.Unmarshal(text, &d) != nil || len(d.Pods) > 0 {
		return true, nil
	}
	return true, s.putKeys(ctx, job.IndexKeys(d.Job.CreatedAt, d.Workloads))
}
