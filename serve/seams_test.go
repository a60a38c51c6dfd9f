package serve

import (
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// seamed returns a shelf with a sealed log in three files.
func seamed(t *testing.T) *shelf {
	s := newShelf(t)
	s.draft(usualPod, "main")
	for _, text := range []string{"one", "two"} {
		s.write(usualPod, text)
		s.log(usualPod, "main").Rotated()
	}
	s.write(usualPod, "three")
	return s
}

// TestSeamsAreTold: by the header, in each form that has a place for them, by lists, and beside the log object. A log
// that is open tells those that are known.
func TestSeamsAreTold(t *testing.T) {
	s := seamed(t)
	wantHeader := func(path, verdict, seams string) {
		t.Helper()
		h := s.ask(path).Header()
		if got := h.Get(headerVerdict); got != verdict {
			t.Errorf("%s: got verdict %q, want %q", path, got, verdict)
		}
		if got := h.Get(headerSeams); got != seams {
			t.Errorf("%s: got %q seams, want %q", path, got, seams)
		}
	}
	wantHeader(logPath, "open", "2")
	s.seal(usualPod, "main")
	wantHeader(logPath, "seamed", "2")
	wantHeader(logPath+".zst?container=main", "seamed", "2")
	s.write(otherPod, "one file")
	s.seal(otherPod, "main")
	wantHeader("/api/v1/namespaces/jobs/jobs/build/log", "complete", "")
	wantHeader("/api/v1/workloads/"+workload+"/log", "seamed", "2")

	const told = "the log of jobs/run-abcde/main[0] was rotated while it was read: 2 seams between files of the log are unproven"
	if got := s.ask(logPath).Header()["Warning"]; !slices.Equal(got, []string{`299 epilogue "` + told + `"`}) {
		t.Errorf("got warnings %q, want %q", got, told)
	}
	if got := s.zenml(logPath + "?format=zenml"); len(got) != 4 || got[0].Message != "[epilogue: "+told+"]" {
		t.Errorf("got %+v, want %q before the lines", got, told)
	}
	for _, format := range []string{"ndjson", "sse"} {
		for _, follow := range []string{"", "&follow=true"} {
			if got := s.ask(logPath + "?format=" + format + follow).Body.String(); !strings.Contains(got, `"verdict":"seamed"`) || !strings.Contains(got, `"seams":2`) {
				t.Errorf("%s%s: got %s, want the verdict and the seams at its end", format, follow, got)
			}
		}
	}
	l := s.list("verdict=seamed")
	if namesOf(l) != "run" || l.Items[0].Pods[0].Seams != 2 {
		t.Errorf("got %+v, want the Job whose log has 2 seams", l.Items)
	}
	if got := namesOf(s.list("verdict=complete")); got != "build" {
		t.Errorf("got the complete Jobs %q, want the other one", got)
	}
	var m archive.Manifest
	text := s.ask("/api/v1/namespaces/jobs/manifests/" + usualPod.Pod)
	if decode(t, text.Body.Bytes(), &m); m.Instances[0].Verdict != archive.Seamed || m.Instances[0].Seams != 2 {
		t.Errorf("got %s, want the verdict and the seams", text.Body)
	}
}

// TestWorst orders the verdicts by how much is proven.
func TestWorst(t *testing.T) {
	order := []archive.Verdict{archive.Complete, archive.Empty, archive.NeverStarted, archive.Seamed, archive.Partial, archive.Lost}
	if got, want := len(order), len(archive.Verdicts); got != want {
		t.Errorf("got an order of %d verdicts, want all %d", got, want)
	}
	logs := make([]archive.LogStatus, 2)
	for n, better := range order {
		for _, worse := range order[n:] {
			logs[0].Verdict, logs[1].Verdict = worse, better
			if got := worst(logs); got != string(worse) {
				t.Errorf("%s and %s: got %s", better, worse, got)
			}
		}
	}
}
