package archive

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestJudge: a verdict is a function of what is held, of the gaps and of the seams, and only a log without either is
// complete.
func TestJudge(t *testing.T) {
	gap := []Gap{{Reason: GapRotated}}
	for _, tt := range []struct {
		name       string
		sum        Summary
		want       Verdict
		wantReason string
	}{
		{"one file", Summary{Lines: 1}, Complete, ""},
		{"two files", Summary{Lines: 1, Rotations: 1}, Seamed, "1 seam between two files of the log is unproven"},
		{"three files", Summary{Lines: 1, Rotations: 2}, Seamed, "2 seams between files of the log are unproven"},
		{"a gap", Summary{Lines: 1, Gaps: gap}, Partial, "rotated"},
		{"a gap and a seam", Summary{Lines: 1, Gaps: gap, Rotations: 1}, Partial, "rotated"},
		{"nothing", Summary{}, Empty, ""},
		{"nothing in two files", Summary{Rotations: 1}, Seamed, "1 seam between two files of the log is unproven"},
		{"nothing but a gap", Summary{Gaps: gap, Rotations: 1}, Lost, "rotated"},
	} {
		if got, reason := judge(&tt.sum); got != tt.want || reason != tt.wantReason {
			t.Errorf("%s: got %s (%s), want %s (%s)", tt.name, got, reason, tt.want, tt.wantReason)
		}
	}
}

// TestSeamsOfOldRecords: a record from before there was the verdict says its seams as rotations of the log, and calls them
// complete or partial. It is read as what it would be today, wherever it stands, and written so.
func TestSeamsOfOldRecords(t *testing.T) {
	log := `"log":{"key":"k","size":1,"lines":2,"bytes":3,"sha256":"s"`
	for _, tt := range []struct {
		name, text string
		want       Verdict
		wantSeams  int64
	}{
		{"complete", `{"verdict":"complete",` + log + `}}`, Complete, 0},
		{"complete, rotated", `{"verdict":"complete",` + log + `,"rotations":2}}`, Seamed, 2},
		{"partial, rotated", `{"verdict":"partial","reason":"rotated","gaps":[{"afterLine":1,"reason":"rotated"}],` + log + `,"rotations":3}}`, Partial, 3},
		{"of today", `{"verdict":"seamed","reason":"1 seam between two files of the log is unproven","seams":1,` + log + `}}`, Seamed, 1},
		{"nothing kept", `{"verdict":"empty"}`, Empty, 0},
	} {
		m, err := ReadManifest(strings.NewReader(`{"version":"v1","instances":[` + tt.text + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		r := m.Instances[0]
		if r.Verdict != tt.want || r.Seams != tt.wantSeams || r.Log != nil && r.Log.Rotations != 0 {
			t.Errorf("%s: got %s with %d seams, log %+v; want %s with %d", tt.name, r.Verdict, r.Seams, r.Log, tt.want, tt.wantSeams)
		}
		if reason := seamsInWords(tt.wantSeams); r.Verdict == Seamed && r.Reason != reason {
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
	m := &Manifest{Instances: []InstanceRecord{{Verdict: Seamed, Seams: 2}, {Verdict: Partial, Seams: 1}, {Verdict: Complete}}}
	if got := jobPods([]*Manifest{m}); got[0].Seams != 3 || len(got[0].Verdicts) != 3 {
		t.Errorf("got %+v, want 3 seams in 3 logs", got[0])
	}
	var j KeptJob
	describe(&j, []*foundPod{{Manifest: m, sealed: true}})
	if got := j.Document.Pods[0]; got.Seams != 3 || len(got.Verdicts) != 3 {
		t.Errorf("got %+v, want 3 seams in 3 logs", got)
	}
}
