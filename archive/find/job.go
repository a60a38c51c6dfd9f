package find

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// Job returns what is known of a Job: its newest one of the name where no UID is given. It returns ErrNotFound where
// that is nothing.
func (r *Finder) Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error) {
	back, err := room.Of(ctx).Find(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	f, err := r.Find(ctx, archive.Target{Namespace: namespace, Job: name, JobUID: uid})
	if err != nil {
		return nil, fmt.Errorf("find Job %s/%s: %w", namespace, name, err)
	}
	empty, err := r.withoutPods(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("find Job %s/%s: %w", namespace, name, err)
	}
	if len(f.Pods) == 0 {
		if empty == nil {
			err = fmt.Errorf("find Job %s/%s: %w", namespace, name, archive.ErrNotFound)
		}
		return empty, err
	}
	last := f.Pods[len(f.Pods)-1]
	if empty != nil && empty.Document.Job.CreatedAt.After(last.jobMade()) {
		return empty, nil
	}
	newest := last.Pod.OfJob()
	pods := slices.DeleteFunc(f.Pods, func(p *FoundPod) bool { return p.Pod.JobUID != newest.JobUID })
	if at := f.jobs[newest.JobUID]; at != nil && at.document {
		pods = nil
	}
	return r.job(ctx, newest, pods)
}

// withoutPods returns the newest of the Jobs that have a document and no pod: those that were cancelled or ended before
// they had one. It is nil without any.
func (r *Finder) withoutPods(ctx context.Context, f *Found) (*archive.KeptJob, error) {
	var newest *archive.KeptJob
	for uid, at := range f.jobs {
		if !at.document || slices.ContainsFunc(f.Pods, func(p *FoundPod) bool { return p.Pod.JobUID == uid }) {
			continue
		}
		job, err := r.job(ctx, at.ref, nil)
		if err != nil {
			return nil, err
		}
		if job != nil && (newest == nil || job.Document.Job.CreatedAt.After(newest.Document.Job.CreatedAt)) {
			newest = job
		}
	}
	return newest, nil
}

// job reads a Job's document, or makes one of its manifests and of the pods that are open here. It is nil where nothing
// is there.
func (r *Finder) job(ctx context.Context, ref archive.PodRef, open []*FoundPod) (*archive.KeptJob, error) {
	job := &archive.KeptJob{PodRef: ref}
	// A Job of which nothing is open has a document most likely. One with an open pod has none most likely, and the
	// listing tells.
	if ref.Job != "" && len(open) == 0 {
		if err := r.takeDocument(ctx, job); !errors.Is(err, archive.ErrNotFound) {
			return job, err
		}
	}
	stored, err := r.folder(ctx, ref)
	if err != nil {
		return nil, err
	}
	if at := stored.jobs[ref.JobUID]; at != nil && at.document {
		if err := r.takeDocument(ctx, job); !errors.Is(err, archive.ErrNotFound) {
			return job, err
		}
	}
	pods, err := r.podsOf(ctx, stored, open)
	if err != nil || len(pods) == 0 {
		return nil, err
	}
	Describe(job, pods)
	return job, nil
}

func (r *Finder) takeDocument(ctx context.Context, job *archive.KeptJob) error {
	d, err := format.ReadDocument(ctx, r.Cfg.Store, job.JobKey())
	if err == nil {
		job.Document, job.Finished = *d, true
	}
	return err
}

// folder lists what the store has of a Job, or of a pod without one.
func (r *Finder) folder(ctx context.Context, ref archive.PodRef) (*inStore, error) {
	stored := newInStore()
	for object, err := range r.Cfg.Store.List(ctx, ref.Folder(), "") {
		if err != nil {
			return nil, err
		}
		stored.add(object, archive.Target{Namespace: ref.Namespace, Job: ref.Job, JobUID: ref.JobUID, Pod: ref.Pod, PodUID: ref.PodUID})
	}
	return stored, nil
}

// podsOf returns a Job's pods, those that are sealed and those that are open here.
func (r *Finder) podsOf(ctx context.Context, stored *inStore, open []*FoundPod) ([]*FoundPod, error) {
	manifests, err := r.Manifests(ctx, stored, r.listedManifest)
	if err != nil {
		return nil, err
	}
	pods := slices.Clone(open)
	for _, m := range manifests {
		pods = slices.DeleteFunc(pods, func(p *FoundPod) bool { return p.Pod.PodUID == m.Pod.PodUID })
		pods = append(pods, &FoundPod{Manifest: m, Sealed: true})
	}
	slices.SortFunc(pods, inTime)
	return pods, nil
}

// Describe makes a document of what is known of the pods, of which there is one at least.
func Describe(j *archive.KeptJob, pods []*FoundPod) {
	d := &j.Document
	d.Version, d.Namespace = archive.FormatVersion, j.Namespace
	d.Job.Name, d.Job.UID, d.Job.CreatedAt = j.Job, j.JobUID, pods[0].jobMade()
	for _, p := range pods {
		if p.Job != nil {
			d.Job = *p.Job
		}
		for _, w := range p.Workloads {
			if !slices.Contains(d.Workloads, w) {
				d.Workloads = append(d.Workloads, w)
			}
		}
		pod := archive.JobPod{Name: p.Pod.Pod, UID: p.Pod.PodUID, Diagnosis: p.Diagnosis}
		if p.Sealed {
			pod.Manifest = p.Pod.ManifestKey()
			if p.SealedAt.After(j.SealedAt) {
				j.SealedAt = p.SealedAt
			}
		}
		j.Open = j.Open || !p.Sealed
		for _, i := range p.Instances {
			i = p.Settled(i)
			pod.Take(&i)
		}
		d.Pods = append(d.Pods, pod)
	}
}
