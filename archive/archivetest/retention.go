package archivetest

import (
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

const Day = 24 * time.Hour

// Old is a Job that was created on the bubble's first day, and its first pod.
var Old = archive.PodRef{Namespace: "ns", Job: "old.job", JobUID: "old-uid", Pod: "old-1", PodUID: "old-pod-1"}

// Sealed seals a pod of one line, whose Job (or which itself) was created at the given time, and the Job's document.
func (l *Life) Sealed(p archive.PodRef, created time.Time) {
	l.T.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded", CreatedAt: created}, Workloads: []string{Workload}}
	if p.Job != "" {
		m.Job = &archive.JobSummary{Name: p.Job, UID: p.JobUID, CreatedAt: created}
	}
	record, err := l.Sealer.Log(l.T.Context(), l.Write(p, "main", NumberedLines(1)))
	if err == nil {
		m.Instances = append(m.Instances, record)
		err = l.Sealer.Pod(l.T.Context(), m)
	}
	if err == nil && p.Job != "" {
		_, err = l.Sealer.Job(l.T.Context(), p, &archive.JobDocument{Namespace: p.Namespace, Job: *m.Job})
	}
	if err != nil {
		l.T.Fatal(err)
	}
}

func (l *Life) Sweep(cfg retention.Config, store archive.Store) (retention.Stats, error) {
	if cfg.After == 0 {
		cfg.After = 30 * Day
	}
	r := retention.New(cfg, store, l.Journal.Journal, Quiet())
	err := r.Sweep(l.T.Context())
	return r.Stats(), err
}

func KeysWith(m *storetest.Memory, part string) (keys []archive.Key) {
	for _, key := range m.Keys() {
		if strings.Contains(string(key), part) {
			keys = append(keys, key)
		}
	}
	return keys
}
