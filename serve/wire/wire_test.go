package wire

import (
	"encoding/json"
	"errors"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

var run = archive.Instance{
	PodRef: archive.PodRef{Namespace: "jobs", Job: "run", Pod: "run-abcde", PodUID: "uid"}, Container: "main", Restart: 2,
}

// sent encodes what one side sends, and decodes it as the other one does.
func sent(t *testing.T, message, into any) {
	t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// TestLineArrives: a line is read as it was sent, whatever its bytes are.
func TestLineArrives(t *testing.T) {
	for name, line := range map[string]archive.Line{
		"text":              {Text: []byte("one <two>"), Time: 1_700_000_000_123_456_789},
		"no time":           {Text: []byte("one")},
		"empty":             {Text: []byte{}, Time: 1},
		"without a newline": {Text: []byte("one"), Partial: true, Time: 1},
		"no UTF-8":          {Text: []byte("a\xff\x00b"), Time: 1},
	} {
		t.Run(name, func(t *testing.T) {
			want := archive.Entry{Line: line, Number: 7, Offset: -1, Instance: &run, Context: true}
			var l Line
			sent(t, LineOf(&want), &l)
			got, err := l.Entry()
			i := l.Archived()
			if got.Instance = &i; err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// TestDamageArrives: a damage is the archive's at the other side, too.
func TestDamageArrives(t *testing.T) {
	want := &archive.DamageError{Instance: run, Key: "key", Frame: 3, AfterLine: 4, Lines: 5, Err: archive.ErrDamaged}
	var d Damage
	sent(t, DamageOf(want), &d)
	if got := d.Err(); !errors.Is(got, archive.ErrDamaged) || !reflect.DeepEqual(got, error(want)) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// TestEndArrives: what is known of each log is read as it was sent.
func TestEndArrives(t *testing.T) {
	s := archive.LogStatus{Source: archive.FromArchive, Lines: 3, Bytes: 30}
	s.Instance, s.Verdict, s.Reason, s.Seams, s.Gaps = run, archive.Partial, "why", 2, []archive.Gap{{Reason: "rotated"}}
	answer := &archive.Answer{Source: archive.FromArchive, Logs: []archive.LogStatus{s}}
	var end End
	sent(t, EndOf(answer), &end)
	if got := end.Statuses(); end.Source != answer.Source || !reflect.DeepEqual(got, answer.Logs) {
		t.Errorf("got %s, %+v, want %s, %+v", end.Source, got, answer.Source, answer.Logs)
	}
}

// TestJobArrives: a Job is read as it was sent, and its state tells its end even to who gets no conditions.
func TestJobArrives(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	kept := archive.KeptJob{Finished: true}
	kept.PodRef = archive.PodRef{Namespace: "jobs", Job: "run", JobUID: "job-uid"}
	kept.Document.Namespace, kept.Document.Workloads = "jobs", []string{"w"}
	kept.Document.Pods = []archive.JobPod{{Name: "run-abcde", UID: "uid"}}
	kept.Document.Job = archive.JobSummary{
		Name: "run", UID: "job-uid", CreatedAt: at, FinishedAt: at, Failed: 1, Conditions: []archive.Condition{{Type: "Failed", Status: "True"}},
	}
	var j Job
	sent(t, JobOf(&kept), &j)
	if got := j.Kept(); j.State != Failed || !reflect.DeepEqual(got, kept) {
		t.Errorf("got %s, %+v, want %s, %+v", j.State, got, Failed, kept)
	}
	j.Conditions = nil
	if got, want := j.Kept().Document.Job.Conditions, kept.Document.Job.Conditions; !reflect.DeepEqual(got, want) {
		t.Errorf("without conditions: got %+v, want %+v", got, want)
	}
}

// TestImports: a client that reads by this package takes neither the server nor Kubernetes along.
func TestImports(t *testing.T) {
	const ours = "github.com/epilogue-dev/epilogue/"
	list, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(list)) {
		pkg = strings.TrimSpace(pkg)
		own, isOurs := strings.CutPrefix(pkg, ours)
		switch {
		case isOurs && own != "serve/wire" && !strings.HasPrefix(own, "archive") && own != "metrics":
			t.Errorf("it depends on %s, want the archive's words alone", own)
		case strings.HasPrefix(pkg, "k8s.io/"):
			t.Errorf("it depends on %s", pkg)
		}
	}
}
