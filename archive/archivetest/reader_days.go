package archivetest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// PutJob puts what a list reads of a Job.
func (s *Shelf) PutJob(ref archive.PodRef, created time.Time) {
	s.T.Helper()
	text, err := json.Marshal(archive.JobDocument{Version: "v1", Namespace: ref.Namespace, Job: archive.JobSummary{Name: ref.Job, CreatedAt: created}, Pods: []archive.JobPod{{Name: ref.Job + "-x"}}})
	if err != nil {
		s.T.Fatal(err)
	}
	for key, body := range map[archive.Key]string{ref.DayIndexKey(created): "", ref.JobKey(): string(text)} {
		if err := s.Store.Put(s.T.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
			s.T.Fatal(err)
		}
	}
}
