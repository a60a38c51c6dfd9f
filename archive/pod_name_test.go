package archive_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestPodOfAStrangeName: a pod that its Job has adopted is found by its own name once it is sealed, and nothing is
// left of it after the retention.
func TestPodOfAStrangeName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.spool.Still()
		var long = strings.Repeat("long-", 11)
		for _, names := range [][2]string{ // of the Job and the pod
			{"run", "foundling"}, {"run", "run"}, {"run", "other-abcde"}, {"run", "run-abcde"}, {"run", "run-0-abcde"}, {long + "nightly", long + "nig" + "abcde"},
		} {
			i := kept{job: names[0], pod: names[1], container: "main", kind: archive.KindMain}.instance()
			s.say(i, "text")
			s.sealPod(i)
			for name, r := range map[string]*archive.Reader{"here": s.reader, "elsewhere": s.remote()} {
				a, err := r.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: "ns", Pod: names[1]}})
				if err != nil {
					t.Errorf("%s, pod %s of Job %s: %v", name, names[1], names[0], err)
				} else if got := allOf(t, a); len(got) != 1 {
					t.Errorf("%s, pod %s of Job %s: %d lines, want one", name, names[1], names[0], len(got))
				}
			}
		}
		time.Sleep(400 * 24 * time.Hour)
		retention := archive.NewRetention(archive.RetentionConfig{After: 30 * 24 * time.Hour}, s.store, s.journal(), slog.New(slog.DiscardHandler))
		if err := retention.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if keys := s.store.Keys(); len(keys) > 0 {
			t.Errorf("after the retention there is %q", keys)
		}
	})
}

// TestDocumentOfManyPods: the document of a Job with as many pods as a Job can have is read.
func TestDocumentOfManyPods(t *testing.T) {
	s := newShelf(t)
	ref := archive.PodRef{Namespace: "ns", Job: "large", JobUID: "0f8fad5b-d9cb-469f-a165-70867728950e"}
	d := archive.JobDocument{Version: "v1", Namespace: "ns", Job: archive.JobSummary{Name: "large", UID: ref.JobUID, CreatedAt: second(0)}}
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
	for key, body := range map[archive.Key]string{ref.DayIndexKey(second(0)): "", ref.JobKey(): string(text)} {
		if err := s.store.Put(t.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for job, err := range s.reader.Jobs(t.Context(), archive.JobQuery{Until: second(0)}) {
		if err != nil || len(job.Document.Pods) != pods {
			t.Errorf("document of %d bytes: got %d pods, %v, want %d", len(text), len(job.Document.Pods), err, pods)
		}
	}
}
