package seal

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
)

// TestJudge: a verdict is a function of what is held, of the gaps and of the seams, and only a log without either is
// complete.
func TestJudge(t *testing.T) {
	gap := []archive.Gap{{Reason: archive.GapRotated}}
	for _, tt := range []struct {
		name       string
		sum        archive.Summary
		want       archive.Verdict
		wantReason string
	}{
		{"one file", archive.Summary{Lines: 1}, archive.Complete, ""},
		{"two files", archive.Summary{Lines: 1, Rotations: 1}, archive.Seamed, "1 seam between two files of the log is unproven"},
		{"three files", archive.Summary{Lines: 1, Rotations: 2}, archive.Seamed, "2 seams between files of the log are unproven"},
		{"a gap", archive.Summary{Lines: 1, Gaps: gap}, archive.Partial, "rotated"},
		{"a gap and a seam", archive.Summary{Lines: 1, Gaps: gap, Rotations: 1}, archive.Partial, "rotated"},
		{"nothing", archive.Summary{}, archive.Empty, ""},
		{"nothing in two files", archive.Summary{Rotations: 1}, archive.Seamed, "1 seam between two files of the log is unproven"},
		{"nothing but a gap", archive.Summary{Gaps: gap, Rotations: 1}, archive.Lost, "rotated"},
	} {
		if got, reason := archive.Judge(&tt.sum); got != tt.want || reason != tt.wantReason {
			t.Errorf("%s: got %s (%s), want %s (%s)", tt.name, got, reason, tt.want, tt.wantReason)
		}
	}
}

// TestSeamsOfOldRecords: a record from before there was the verdict says its seams as rotations of the log, and calls
// them complete or partial. It is read as what it would be today, wherever it stands, and written so.
func TestSeamsOfOldRecords(t *testing.T) {
	log := `"log":{"key":"k","size":1,"lines":2,"bytes":3,"sha256":"s"`
	for _, tt := range []struct {
		name, text string
		want       archive.Verdict
		wantSeams  int64
	}{
		{"complete", `{"verdict":"complete",` + log + `}}`, archive.Complete, 0},
		{"complete, rotated", `{"verdict":"complete",` + log + `,"rotations":2}}`, archive.Seamed, 2},
		{"partial, rotated", `{"verdict":"partial","reason":"rotated","gaps":[{"afterLine":1,"reason":"rotated"}],` + log + `,"rotations":3}}`, archive.Partial, 3},
		{"of today", `{"verdict":"seamed","reason":"1 seam between two files of the log is unproven","seams":1,` + log + `}}`, archive.Seamed, 1},
		{"nothing kept", `{"verdict":"empty"}`, archive.Empty, 0},
	} {
		m, err := archive.ReadManifest(strings.NewReader(`{"version":"v1","instances":[` + tt.text + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		r := m.Instances[0]
		if r.Verdict != tt.want || r.Seams != tt.wantSeams || r.Log != nil && r.Log.Rotations != 0 {
			t.Errorf("%s: got %s with %d seams, log %+v; want %s with %d", tt.name, r.Verdict, r.Seams, r.Log, tt.want, tt.wantSeams)
		}
		if reason := archive.SeamsInWords(tt.wantSeams); r.Verdict == archive.Seamed && r.Reason != reason {
			t.Errorf("%s: got reason %q, want %q", tt.name, r.Reason, reason)
		}
		again, err := json.Marshal(&r)
		if err != nil || strings.Contains(string(again), `"rotations"`) {
			t.Errorf("%s: written again it is %s (%v)", tt.name, again, err)
		}
	}
}

// TestSeamsOfAJob: a Job's document has the seams of each pod, and what a reader makes of manifests has them, too.
func TestSeamsOfAJob(t *testing.T) {
	m := &archive.Manifest{Instances: []archive.InstanceRecord{{Verdict: archive.Seamed, Seams: 2}, {Verdict: archive.Partial, Seams: 1}, {Verdict: archive.Complete}}}
	if got := archive.JobPods([]*archive.Manifest{m}); got[0].Seams != 3 || len(got[0].Verdicts) != 3 {
		t.Errorf("got %+v, want 3 seams in 3 logs", got[0])
	}
	var j archive.KeptJob
	find.Describe(&j, []*find.FoundPod{{Manifest: m, Sealed: true}})
	if got := j.Document.Pods[0]; got.Seams != 3 || len(got.Verdicts) != 3 {
		t.Errorf("got %+v, want 3 seams in 3 logs", got)
	}
}
