package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Job gives what is known of a Job: its newest one of the name where no UID is given. It returns ErrNotFound where that is
// nothing.
func (r *Finder) Job(ctx context.Context, namespace, name string, uid JobUID) (*KeptJob, error) {
	back, err := RoomOf(ctx).find(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	f, err := r.find(ctx, Target{Namespace: namespace, Job: name, JobUID: uid})
	if err != nil {
		return nil, fmt.Errorf("find Job %s/%s: %w", namespace, name, err)
	}
	empty, err := r.withoutPods(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("find Job %s/%s: %w", namespace, name, err)
	}
	if len(f.pods) == 0 {
		if empty == nil {
			err = fmt.Errorf("find Job %s/%s: %w", namespace, name, ErrNotFound)
		}
		return empty, err
	}
	last := f.pods[len(f.pods)-1]
	if empty != nil && empty.Document.Job.CreatedAt.After(last.jobMade()) {
		return empty, nil
	}
	newest := last.Pod.PodRef
	pods := slices.DeleteFunc(f.pods, func(p *foundPod) bool { return p.Pod.JobUID != newest.JobUID })
	newest.Pod, newest.PodUID = "", ""
	if at := f.jobs[newest.JobUID]; at != nil && at.document {
		pods = nil
	}
	return r.job(ctx, newest, pods)
}

// withoutPods gives the newest of the Jobs that have a document and no pod: those that were cancelled or ended before
// they had one. It is nil without any.
func (r *Finder) withoutPods(ctx context.Context, f *found) (*KeptJob, error) {
	var newest *KeptJob
	for uid, at := range f.jobs {
		if !at.document || slices.ContainsFunc(f.pods, func(p *foundPod) bool { return p.Pod.JobUID == uid }) {
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

// job reads a Job's document, or makes one of its manifests and of the pods that are open here. It is nil where nothing is there.
func (r *Finder) job(ctx context.Context, ref PodRef, open []*foundPod) (*KeptJob, error) {
	job := &KeptJob{PodRef: ref}
	// A Job of which nothing is open has a document most likely. One with an open pod has none most likely, and the listing tells.
	if ref.Job != "" && len(open) == 0 {
		if err := r.takeDocument(ctx, job); !errors.Is(err, ErrNotFound) {
			return job, err
		}
	}
	stored, err := r.folder(ctx, ref)
	if err != nil {
		return nil, err
	}
	if at := stored.jobs[ref.JobUID]; at != nil && at.document {
		if err := r.takeDocument(ctx, job); !errors.Is(err, ErrNotFound) {
			return job, err
		}
	}
	pods, err := r.podsOf(ctx, stored, open)
	if err != nil || len(pods) == 0 {
		return nil, err
	}
	describe(job, pods)
	return job, nil
}

func (r *Finder) takeDocument(ctx context.Context, job *KeptJob) error {
	d, err := readDocument(ctx, r.cfg.Store, job.JobKey())
	if err == nil {
		job.Document, job.Finished = *d, true
	}
	return err
}

// folder lists what the store has of a Job, or of a pod without one.
func (r *Finder) folder(ctx context.Context, ref PodRef) (*inStore, error) {
	stored := newInStore()
	for object, err := range r.cfg.Store.List(ctx, ref.folder(), "") {
		if err != nil {
			return nil, err
		}
		stored.add(object, Target{Namespace: ref.Namespace, Job: ref.Job, JobUID: ref.JobUID, Pod: ref.Pod, PodUID: ref.PodUID})
	}
	return stored, nil
}

// podsOf gives a Job's pods, those that are sealed and those that are open here.
func (r *Finder) podsOf(ctx context.Context, stored *inStore, open []*foundPod) ([]*foundPod, error) {
	manifests, err := r.manifests(ctx, stored, r.listedManifest)
	if err != nil {
		return nil, err
	}
	pods := slices.Clone(open)
	for _, m := range manifests {
		pods = slices.DeleteFunc(pods, func(p *foundPod) bool { return p.Pod.PodUID == m.Pod.PodUID })
		pods = append(pods, &foundPod{Manifest: m, sealed: true})
	}
	slices.SortFunc(pods, inTime)
	return pods, nil
}

// describe makes a document of what is known of the pods, of which there is one at least.
func describe(j *KeptJob, pods []*foundPod) {
	d := &j.Document
	d.Version, d.Namespace = formatVersion, j.Namespace
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
		pod := JobPod{Name: p.Pod.Pod, UID: p.Pod.PodUID, Diagnosis: p.Diagnosis}
		if p.sealed {
			pod.Manifest = p.Pod.ManifestKey()
			if p.SealedAt.After(j.sealedAt) {
				j.sealedAt = p.SealedAt
			}
		}
		j.Open = j.Open || !p.sealed
		for _, i := range p.Instances {
			i = p.settled(i)
			pod.take(&i)
		}
		d.Pods = append(d.Pods, pod)
	}
}

// Object opens a part of a log object as it is stored, for a download. The key must be one that a manifest names. The
// caller closes the reader.
func (r *Reader) Object(ctx context.Context, key Key, part Range) (io.ReadCloser, Object, error) {
	if _, file, ok := splitKey(key); !ok || !strings.HasSuffix(file, ".log.zst") {
		return nil, Object{}, badQuery("key", key, "the key of a log object")
	}
	body, object, err := open(ctx, r.cfg.Store, key, part)
	if err != nil {
		return nil, Object{}, fmt.Errorf("open %s: %w", key, err)
	}
	return body, object, nil
}
