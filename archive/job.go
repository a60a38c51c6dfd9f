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

// Job writes the document of a finished Job from the manifests that are in the store. Where it is there already nothing
// happens. It says nothing that the manifests do not say, so a crash before it loses nothing.
func (s *Sealer) Job(ctx context.Context, job PodRef, d *JobDocument) error {
	if there, err := s.exists(ctx, job.JobKey()); there || err != nil {
		return err
	}
	pods, err := s.jobPods(ctx, job)
	if err != nil {
		return fmt.Errorf("read manifests of Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	d.Version, d.Pods, d.WrittenAt, d.WrittenBy = formatVersion, pods, time.Now().UTC(), s.name
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode Job %s/%s: %w", job.Namespace, job.Job, err)
	}
	err = s.breaker.do(ctx, "put Job", func(ctx context.Context) error {
		return s.store.Put(ctx, job.JobKey(), bytes.NewReader(append(text, '\n')),
			PutOptions{IfAbsent: true, ContentType: "application/json"})
	})
	if errors.Is(err, ErrExists) {
		err = nil
	}
	if err == nil {
		s.spool.announce(job, d.Workloads)
	}
	return err
}

func (s *Sealer) exists(ctx context.Context, key Key) (bool, error) {
	err := s.breaker.do(ctx, "look for Job", func(ctx context.Context) error {
		r, _, err := open(ctx, s.store, key, Range{Length: 1})
		if err == nil {
			err = r.Close()
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Sealer) jobPods(ctx context.Context, job PodRef) ([]JobPod, error) {
	var keys []Key
	err := s.breaker.do(ctx, "list Job", func(ctx context.Context) error {
		keys = nil
		for object, err := range s.store.List(ctx, job.JobPrefix(), "") {
			if err != nil {
				return err
			}
			if strings.HasSuffix(string(object.Key), "/manifest.json") {
				keys = append(keys, object.Key)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	pods := make([]JobPod, 0, len(keys))
	for _, key := range keys {
		m, err := s.manifestAt(ctx, key)
		if err != nil {
			return nil, err
		}
		pod := JobPod{Name: m.Pod.Pod, UID: m.Pod.PodUID, Manifest: key, Diagnosis: m.Diagnosis}
		for _, r := range m.Instances {
			pod.Verdicts = append(pod.Verdicts, r.Verdict)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}
