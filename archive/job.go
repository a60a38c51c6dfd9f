package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// JobDocument is the document of one finished Job: how it ended, and what is kept of its pods.
type JobDocument struct {
	Version   string     `json:"version"`
	Cluster   string     `json:"cluster,omitempty"` // see Spool.BelongTo
	Namespace string     `json:"namespace"`
	Job       JobSummary `json:"job"`
	Workloads []string   `json:"workloads,omitempty"`
	Pods      []JobPod   `json:"pods"`
	WrittenAt time.Time  `json:"writtenAt"`
	WrittenBy string     `json:"writtenBy,omitempty"`
}

// JobPod says what is kept of one pod of a Job.
type JobPod struct {
	Name      string    `json:"name"`
	UID       PodUID    `json:"uid"`
	Manifest  Key       `json:"manifest"`
	Verdicts  []Verdict `json:"verdicts"`        // of its instances, in the manifest's order
	Seams     int64     `json:"seams,omitempty"` // of all its logs together
	Diagnosis string    `json:"diagnosis"`
}

// maxDocument and maxDocumentObjects bound what a reader allocates for a Job's document. Of each pod it has some 300
// bytes, and one object; an Indexed Job can have 100,000, and as many that were tried again.
const (
	maxDocument        = 64 << 20
	maxDocumentObjects = 400_000
)

// Job writes the document of a finished Job from the manifests that are in the store, and says whether it has. Where it is
// there already nothing happens. It says nothing that the manifests do not say, so a crash before it loses nothing.
//
// A Job that never had a pod, as one that was cancelled while it was suspended, has no manifest whose seal would put
// index keys. Its document leads to them: a crash before them leaves a document that the next call finds, and puts
// them.
func (s *Sealer) Job(ctx context.Context, job PodRef, d *JobDocument) (written bool, err error) {
	if there, err := s.jobThere(ctx, job); there || err != nil {
		return false, err
	}
	e, err := s.Evidence(ctx, job)
	if err != nil {
		return false, err
	}
	return s.putJob(ctx, job, d, e)
}

// GoneJob writes the document of a Job that was deleted before it had one, and says whether it has: not of one that no manifest tells
// of. What d leaves out of the Job the manifests tell.
func (s *Sealer) GoneJob(ctx context.Context, job PodRef, d *JobDocument) (written bool, err error) {
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
func (s *Sealer) recoverJob(ctx context.Context, job PodRef, d *JobDocument, manifests []*Manifest) error {
	if d.Job.UID == "" {
		newest := slices.MaxFunc(manifests, func(a, b *Manifest) int { return a.SealedAt.Compare(b.SealedAt) })
		m, err := s.manifestAt(ctx, newest.ref().ManifestKey()) // most of it is not kept where it was read for a proof
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

func (s *Sealer) putJob(ctx context.Context, job PodRef, d *JobDocument, e Evidence) (written bool, err error) {
	d.Version, d.Cluster, d.Pods = formatVersion, s.spool.cluster, jobPods(e.Manifests)
	d.WrittenAt, d.WrittenBy = time.Now().UTC(), s.name
	text, err := encodeDocument(d)
	if err != nil {
		return false, fmt.Errorf("encode Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	err = s.breaker.put(ctx, "put Job", func(ctx context.Context) error {
		return s.store.Put(ctx, job.JobKey(), bytes.NewReader(append(text, '\n')),
			PutOptions{IfAbsent: true, ContentType: "application/json"})
	})
	written = err == nil
	if errors.Is(err, ErrExists) {
		err = nil
	}
	if err == nil && len(d.Pods) == 0 {
		err = s.putKeys(ctx, job.indexKeys(d.Job.CreatedAt, d.Workloads))
	}
	if err == nil {
		s.spool.announce(job, d.Workloads)
	}
	return written, err
}

// encodeDocument gives a document as text, with indents unless they would make a long one longer than a reader takes.
func encodeDocument(d *JobDocument) ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	if err == nil && len(text) > maxDocument/2 {
		text, err = json.Marshal(d)
	}
	if err == nil && len(text) >= maxDocument {
		err = fmt.Errorf("document of %d pods has %d bytes, must have less than %d", len(d.Pods), len(text), maxDocument)
	}
	return text, err
}

// jobThere says whether the Job's document is there. Where that names no pod its index keys are put again.
func (s *Sealer) jobThere(ctx context.Context, job PodRef) (bool, error) {
	const look = 16 << 10 // a document without pods is shorter
	var text []byte
	var size int64
	err := s.breaker.do(ctx, "look for "+string(job.JobKey()), func(ctx context.Context) (err error) {
		text, size, err = fetch(ctx, s.store, job.JobKey(), Range{Length: look})
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil || size > int64(len(text)) {
		return err == nil, err
	}
	var d JobDocument
	if json.Unmarshal(text, &d) != nil || len(d.Pods) > 0 {
		return true, nil
	}
	return true, s.putKeys(ctx, job.indexKeys(d.Job.CreatedAt, d.Workloads))
}

// take counts one more instance.
func (p *JobPod) take(r *InstanceRecord) {
	p.Verdicts = append(p.Verdicts, r.Verdict)
	p.Seams += r.Seams
}

func jobPods(manifests []*Manifest) []JobPod {
	pods := make([]JobPod, 0, len(manifests))
	for _, m := range manifests {
		pod := JobPod{Name: m.Pod.Pod, UID: m.Pod.PodUID, Manifest: m.ref().ManifestKey(), Diagnosis: m.Diagnosis}
		for i := range m.Instances {
			pod.take(&m.Instances[i])
		}
		pods = append(pods, pod)
	}
	return pods
}

// readDocument reads a Job's document.
func readDocument(ctx context.Context, store Store, key Key) (*JobDocument, error) {
	b, size, err := fetch(ctx, store, key, Range{Length: maxDocument})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if size > maxDocument || bytes.Count(b, []byte{'{'}) > maxDocumentObjects {
		return nil, fmt.Errorf("read %s: document of %d bytes: %w", key, size, ErrDamaged)
	}
	var d JobDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", key, err, ErrDamaged)
	}
	if d.Version != formatVersion {
		return nil, fmt.Errorf("read %s: version %q, this program reads %q: %w", key, d.Version, formatVersion, ErrDamaged)
	}
	return &d, nil
}
