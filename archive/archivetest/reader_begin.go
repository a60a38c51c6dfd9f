package archivetest

import (
	"github.com/epilogue-dev/epilogue/archive"
)

// Say appends one line to an instance's log.
func (r *Replica) Say(i archive.Instance, text string) {
	r.T.Helper()
	if _, err := OpenLog(r.T, r.Spool, i).Append(archive.Line{Time: Start, Text: []byte(text)}); err != nil {
		r.T.Fatal(err)
	}
}

func (r *Replica) SaveDraft(m archive.Manifest) {
	r.T.Helper()
	if err := r.Spool.SaveDraft(&archive.Draft{Manifest: m}); err != nil {
		r.T.Fatal(err)
	}
}

// SealPod seals the logs of some instances of one pod, and the pod.
func (s *Shelf) SealPod(instances ...archive.Instance) {
	s.T.Helper()
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: instances[0].PodRef, Phase: "Succeeded"}}
	for _, i := range instances {
		record, err := s.Sealer.Log(s.T.Context(), OpenLog(s.T, s.Spool, i))
		if err != nil {
			s.T.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	if err := s.Sealer.Pod(s.T.Context(), m); err != nil {
		s.T.Fatal(err)
	}
}
