package find_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/retention"
)

// TestPodOfAStrangeName: a pod that its Job has adopted is found by its own name once it is sealed, and nothing is
// left of it after the retention.
func TestPodOfAStrangeName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		var long = strings.Repeat("long-", 11)
		for _, names := range [][2]string{ // of the Job and the pod
			{"run", "foundling"}, {"run", "run"}, {"run", "other-abcde"}, {"run", "run-abcde"}, {"run", "run-0-abcde"}, {long + "nightly", long + "nig" + "abcde"},
		} {
			i := archivetest.KeptInstance{Job: names[0], Pod: names[1], Container: "main", Kind: archive.KindMain}.Instance()
			s.Say(i, "text")
			s.SealPod(i)
			for name, r := range map[string]*read.Reader{"here": s.Reader, "elsewhere": s.Remote()} {
				a, err := r.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: "ns", Pod: names[1]}})
				if err != nil {
					t.Errorf("%s, pod %s of Job %s: %v", name, names[1], names[0], err)
				} else if got := archivetest.EntriesOf(t, a); len(got) != 1 {
					t.Errorf("%s, pod %s of Job %s: %d lines, want one", name, names[1], names[0], len(got))
				}
			}
		}
		time.Sleep(400 * 24 * time.Hour)
		retention := retention.New(retention.Config{After: 30 * 24 * time.Hour}, s.Store, s.Journal(), slog.New(slog.DiscardHandler))
		if err := retention.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if keys := s.Store.Keys(); len(keys) > 0 {
			t.Errorf("after the retention there is %q", keys)
		}
	})
}

// TestDocumentOfManyPods: the document of a Job with as many pods as a Job can have is read.
func TestDocumentOfManyPods(t *testing.T) {
	s := archivetest.NewShelf(t)
	ref := archive.PodRef{Namespace: "ns", Job: "large", JobUID: "0f8fad5b-d9cb-469f-a165-70867728950e"}
	d := archive.JobDocument{Version: "v1", Namespace: "ns", Job: archive.JobSummary{Name: "large", UID: ref.JobUID, CreatedAt: archivetest.AtSecond(0)}}
	const pods = 100_000
	for n := range pods {
		p := ref
		p.Pod, p.PodUID = fmt.Sprintf("large-%d-abcde", n), archive.PodUID(fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", n))
		d.Pods = append(d.Pods, archive.JobPod{
			Name: p.Pod, UID: p.PodUID, Manifest: p.ManifestKey(), Verdicts: []archive.Verdict{archive.Complete}, Diagnosis: "succeeded after 3s",
		})
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for key, body := range map[archive.Key]string{ref.DayIndexKey(archivetest.AtSecond(0)): "", ref.JobKey(): string(text)} {
		if err := s.Store.Put(t.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for job, err := range s.Reader.Jobs(t.Context(), archive.JobQuery{Until: archivetest.AtSecond(0)}) {
		if err != nil || len(job.Document.Pods) != pods {
			t.Errorf("document of %d bytes: got %d pods, %v, want %d", len(text), len(job.Document.Pods), err, pods)
		}
	}
}
