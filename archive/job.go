package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// JobDocument is the document of one finished Job: how it ended, and what is kept of its pods.
type JobDocument struct {
	Version   string     `json:"version"`
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
	Verdicts  []Verdict `json:"verdicts"` // of its instances, in the manifest's order
	Diagnosis string    `json:"diagnosis"`
}

// Job writes the document of a finished Job from the manifests that are in the store, and says whether it has. Where it is
// there already nothing happens. It says nothing that the manifests do not say, so a crash before it loses nothing.
func (s *Sealer) Job(ctx context.Context, job PodRef, d *JobDocument) (written bool, err error) {
	if there, err := exists(ctx, s.breaker, s.store, job.JobKey()); there || err != nil {
		return false, err
	}
	pods, err := s.jobPods(ctx, job)
	if err != nil {
		return false, err
	}
	d.Version, d.Pods, d.WrittenAt, d.WrittenBy = formatVersion, pods, time.Now().UTC(), s.name
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return false, fmt.Errorf("encode Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	err = s.breaker.do(ctx, "put Job", func(ctx context.Context) error {
		return s.store.Put(ctx, job.JobKey(), bytes.NewReader(append(text, '\n')),
			PutOptions{IfAbsent: true, ContentType: "application/json"})
	})
	written = err == nil
	if errors.Is(err, ErrExists) {
		err = nil
	}
	if err == nil {
		s.spool.announce(job, d.Workloads)
	}
	return written, err
}

// Evidence is what the store holds of one Job.
type Evidence struct {
	Manifests []*Manifest
	Document  bool // the Job's document is there
}

// Evidence reads every manifest of the Job from the store: the proof without which nothing is deleted. It waits for a store
// in trouble as long as the context lives.
func (s *Sealer) Evidence(ctx context.Context, job PodRef) (Evidence, error) {
	var keys []Key
	var e Evidence
	err := s.breaker.do(ctx, "list Job", func(ctx context.Context) error {
		keys, e.Document = nil, false
		for object, err := range s.store.List(ctx, job.JobPrefix(), "") {
			if err != nil {
				return err
			}
			if strings.HasSuffix(string(object.Key), "/manifest.json") {
				keys = append(keys, object.Key)
			}
			e.Document = e.Document || object.Key == job.JobKey()
		}
		return nil
	})
	for _, key := range keys {
		if err != nil {
			break
		}
		var m *Manifest
		m, err = s.manifestAt(ctx, key)
		e.Manifests = append(e.Manifests, m)
	}
	if err != nil {
		return Evidence{}, fmt.Errorf("read manifests of Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	return e, nil
}

func (s *Sealer) jobPods(ctx context.Context, job PodRef) ([]JobPod, error) {
	e, err := s.Evidence(ctx, job)
	if err != nil {
		return nil, err
	}
	pods := make([]JobPod, 0, len(e.Manifests))
	for _, m := range e.Manifests {
		pod := JobPod{Name: m.Pod.Pod, UID: m.Pod.PodUID, Manifest: m.ref().ManifestKey(), Diagnosis: m.Diagnosis}
		for _, r := range m.Instances {
			pod.Verdicts = append(pod.Verdicts, r.Verdict)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}
