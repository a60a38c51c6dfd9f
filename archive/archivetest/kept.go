package archivetest

import (
	"fmt"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// KeptInstance is one instance of a fixture: whose it is, when it started and what became of it.
type KeptInstance struct {
	Job, Pod  string
	Container string
	Kind      archive.ContainerKind
	restart   int
	At        int // seconds
	Open      bool
	Verdict   archive.Verdict // with a reason where nothing is kept
}

// Instance returns the instance that is kept.
func (k KeptInstance) Instance() archive.Instance {
	return archive.Instance{
		PodRef:    archive.PodRef{Namespace: "ns", Job: k.Job, JobUID: archive.JobUID(k.Job + "-uid"), Pod: k.Pod, PodUID: archive.PodUID(k.Pod + "-uid")},
		Container: k.Container, Kind: k.Kind, Restart: k.restart, ContainerID: fmt.Sprintf("containerd://%s-%d", k.Container, k.restart),
	}
}

func (k KeptInstance) text() string { return fmt.Sprintf("%s/%s[%d]", k.Pod, k.Container, k.restart) }

// Keep has a shelf keep the instances: each wrote one line, its own name.
func (s *Shelf) Keep(workload string, instances ...KeptInstance) {
	s.T.Helper()
	pods := map[string][]KeptInstance{}
	var names []string
	for _, k := range instances {
		if pods[k.Pod] == nil {
			names = append(names, k.Pod)
		}
		pods[k.Pod] = append(pods[k.Pod], k)
	}
	for _, name := range names {
		s.keepPod(workload, pods[name])
	}
}

func (s *Shelf) keepPod(workload string, instances []KeptInstance) {
	s.T.Helper()
	ref := instances[0].Instance().PodRef
	m := &archive.Manifest{
		Pod:       archive.PodSummary{PodRef: ref, Phase: "Running", CreatedAt: AtSecond(instances[0].At)},
		Job:       &archive.JobSummary{Name: ref.Job, UID: ref.JobUID, CreatedAt: AtSecond(instances[0].At / 100 * 100)},
		Workloads: []string{workload},
	}
	open := false
	for _, k := range instances {
		record := archive.InstanceRecord{Instance: k.Instance(), Verdict: k.Verdict}
		if k.Verdict == "" {
			log := OpenLog(s.T, s.Spool, k.Instance())
			if _, err := log.Append(archive.Line{Time: AtSecond(k.At).UnixNano(), Text: []byte(k.text())}); err != nil {
				s.T.Fatal(err)
			}
			if open = open || k.Open; !k.Open {
				var err error
				if record, err = s.Sealer.Log(s.T.Context(), log); err != nil {
					s.T.Fatal(err)
				}
			}
			record.State.StartedAt = AtSecond(k.At)
		} else {
			record.Reason = "because"
		}
		m.Instances = append(m.Instances, record)
	}
	if open {
		if err := s.Spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
			s.T.Fatal(err)
		}
		return
	}
	if err := s.Sealer.Pod(s.T.Context(), m); err != nil {
		s.T.Fatal(err)
	}
}

const otherWorkload = "99999999-2222-3333-4444-555555555555"

// ShelfOfJobs returns a shelf with a workload of two Jobs, of which the second has two attempts, and with another
// workload of two: one whose pod is sealed, and one whose pod never started.
func ShelfOfJobs(t *testing.T) *Shelf {
	s := NewShelf(t)
	s.Keep(Workload,
		KeptInstance{Job: "build", Pod: "build-x1", Container: "main", Kind: archive.KindMain, At: 10},
		KeptInstance{Job: "run", Pod: "run-a1", Container: "init", Kind: archive.KindInit, At: 110},
		KeptInstance{Job: "run", Pod: "run-a1", Container: "main", Kind: archive.KindMain, At: 120},
		KeptInstance{Job: "run", Pod: "run-a1", Container: "main", Kind: archive.KindMain, restart: 1, At: 130},
		KeptInstance{Job: "run", Pod: "run-a1", Container: "side", Kind: archive.KindSidecar, At: 115},
		KeptInstance{Job: "run", Pod: "run-b2", Container: "init", Kind: archive.KindInit, At: 160},
		KeptInstance{Job: "run", Pod: "run-b2", Container: "main", Kind: archive.KindMain, At: 170, Open: true},
	)
	s.Keep(otherWorkload,
		KeptInstance{Job: "run-2", Pod: "run-2-0-c3", Container: "main", Kind: archive.KindMain, At: 300},
		KeptInstance{Job: "stuck", Pod: "stuck-d4", Container: "main", Kind: archive.KindMain, At: 400, Verdict: archive.NeverStarted},
	)
	return s
}
