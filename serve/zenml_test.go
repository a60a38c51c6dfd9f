package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/message"
)

// zenml asks for a log as ZenML does and returns its entries, in the way in which ZenML reads them: one JSON document a
// line.
func (s *shelf) zenml(path string) []zenmlEntry {
	s.t.Helper()
	w := s.ask(path)
	if w.Code != 200 {
		s.t.Fatalf("got %d %s", w.Code, w.Body)
	}
	var entries []zenmlEntry
	for line := range strings.SplitSeq(strings.TrimSuffix(w.Body.String(), "\n"), "\n") {
		var e zenmlEntry
		decode(s.t, []byte(line), &e)
		entries = append(entries, e)
	}
	return entries
}

func TestZenMLEntries(t *testing.T) {
	s := filled(t)
	got := s.zenml("/api/v1/workloads/" + workload + "/log?format=zenml")
	want := zenmlEntry{Message: "one", Name: "run-abcde/main", Level: 20, Timestamp: "2026-11-23T10:00:00.000000000Z", TotalChunks: 1}
	if len(got) != 4 || got[0] != want {
		t.Errorf("got %+v, want four entries, the first %+v", got, want)
	}
	raw := s.ask("/api/v1/workloads/" + workload + "/log?format=zenml&tailLines=1").Body.String()
	if want := `"level":20,`; !strings.Contains(raw, want) {
		t.Errorf("got %s, want the level as a number: %s", raw, want)
	}
}

// TestZenMLIsNeverToldNothing: ZenML shows "no logs" for an empty answer, which looks like a run that wrote nothing.
func TestZenMLIsNeverToldNothing(t *testing.T) {
	record := func(v archive.Verdict, reason string) archive.InstanceRecord {
		return archive.InstanceRecord{Instance: instance(usualPod, "main"), Verdict: v, Reason: reason}
	}
	tests := []struct {
		name    string
		records []archive.InstanceRecord
		query   string
		want    string
	}{
		{"lost", []archive.InstanceRecord{record(archive.Lost, "evicted")}, "", "[epilogue: the log of jobs/run-abcde/main[0] is lost: evicted]"},
		{"empty", []archive.InstanceRecord{record(archive.Empty, "")}, "", "[epilogue: jobs/run-abcde/main[0] ran and wrote nothing]"},
		{"never started", []archive.InstanceRecord{record(archive.NeverStarted, "ErrImagePull")}, "", "[epilogue: jobs/run-abcde/main[0] never started: ErrImagePull]"},
		{"no container", nil, "", "[epilogue: no container of workload " + workload + " is known]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			m := manifestOf(usualPod)
			m.Instances = test.records
			s.sealAs(m)
			got := s.zenml("/api/v1/workloads/" + workload + "/log?format=zenml" + test.query)
			if len(got) != 1 || got[0].Message != test.want || got[0].Level != 30 {
				t.Errorf("got %+v, want one line %q", got, test.want)
			}
		})
	}
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.log(usualPod, "main")
	if got := s.zenml(logPath + "?format=zenml"); len(got) != 1 || !strings.Contains(got[0].Message, "has written nothing yet") {
		t.Errorf("before its first line: got %+v, want one that says so", got)
	}
	s.write(usualPod, "line")
	if got := s.zenml(logPath + "?format=zenml&grep=other"); len(got) != 1 || !strings.Contains(got[0].Message, "no line") {
		t.Errorf("no match: got %+v, want one that says so", got)
	}
}

// TestZenMLCutsTheMiddle: ZenML keeps the first 50,000 lines and drops the end, which says why a run failed.
func TestZenMLCutsTheMiddle(t *testing.T) {
	const total = 60_000
	s := newShelf(t)
	texts := make([]string, total/2)
	for _, pod := range []archive.PodRef{otherPod, usualPod} {
		for i := range texts {
			texts[i] = fmt.Sprintf("%s %d", pod.Job, i)
		}
		s.draft(pod, "main")
		s.write(pod, texts...)
		s.seal(pod, "main")
	}
	for _, query := range []string{"", "&grep=."} {
		got := s.zenml("/api/v1/workloads/" + workload + "/log?format=zenml" + query)
		if len(got) != zenmlLines {
			t.Fatalf("%q: got %d lines, want %d", query, len(got), zenmlLines)
		}
		left := total - zenmlLines + 1
		if want := fmt.Sprintf("[epilogue: %d of %d lines are left out here; the archive has them]", left, total); got[zenmlLines/2].Message != want {
			t.Errorf("%q: got %q in the middle, want %q", query, got[zenmlLines/2].Message, want)
		}
		for i, want := range map[int]string{
			0: "build 0", zenmlLines/2 - 1: fmt.Sprintf("build %d", zenmlLines/2-1),
			zenmlLines/2 + 1: fmt.Sprintf("run %d", zenmlLines/2+left-total/2), zenmlLines - 1: fmt.Sprintf("run %d", total/2-1),
		} {
			if got[i].Message != want {
				t.Errorf("%q: got %q in line %d, want %q", query, got[i].Message, i, want)
			}
		}
	}
}

// TestZenMLMessages: what ZenML said of the run stands between the lines by its time, and a run that has written
// nothing is told apart.
func TestZenMLMessages(t *testing.T) {
	at := func(text string, clock string) message.Message {
		when, err := time.Parse(time.RFC3339, clock)
		if err != nil {
			t.Fatal(err)
		}
		return message.Message{Workload: workload, Time: when, Text: text}
	}
	said := func(s *shelf) {
		s.parts.Messages = func(_ context.Context, id string, namespaces []string) (message.Talk, error) {
			if id != workload || !slices.Equal(namespaces, []string{"jobs"}) {
				t.Errorf("asked for workload %s in %q, want %s in jobs", id, namespaces, workload)
			}
			return message.Talk{Of: []message.Message{
				at("Starting.", "2026-11-23T09:59:59Z"), at("Between.", "2026-11-23T10:00:00.5Z"), at("Started.", "2026-11-23T12:00:00Z"),
			}}, nil
		}
		s.api = NewAPI(Config{Namespace: "jobs"}, s.parts)
	}
	texts := func(entries []zenmlEntry) (all []string) {
		for _, e := range entries {
			all = append(all, e.Message)
		}
		return all
	}
	s := filled(t)
	said(s)
	got := texts(s.zenml("/api/v1/workloads/" + workload + "/log?format=zenml"))
	if len(got) != 7 || got[0] != "Starting." || got[1] != "one" || got[2] != "Between." || got[6] != "Started." {
		t.Errorf("got %q, want the messages between the lines", got)
	}
	if got := texts(s.zenml("/api/v1/workloads/" + workload + "/log?format=zenml&tailLines=1")); len(got) != 1 {
		t.Errorf("got %q, want the lines that were asked for alone", got)
	}
	empty := newShelf(t)
	said(empty)
	m := manifestOf(usualPod)
	m.Instances = nil
	empty.sealAs(m)
	if got := texts(empty.zenml("/api/v1/workloads/" + workload + "/log?format=zenml")); len(got) != 4 || !strings.Contains(got[0], "no container of") {
		t.Errorf("got %q, want the messages and that there is no line", got)
	}
}

// TestZenMLMessagesHideNothing: messages are of the namespaces that the caller may read, and what is the matter with
// them is no matter of the lines.
func TestZenMLMessagesHideNothing(t *testing.T) {
	for _, test := range []struct {
		name, user, query string
		talk              message.Talk
		err               error
		asked             string
		want              []string
	}{
		{"another namespace has the workload, too", "jane", "", message.Talk{}, nil, "[jobs]", []string{"line"}},
		{"who may read both", "admin", "", message.Talk{}, nil, "[jobs secret]", []string{"line", "secret line"}},
		{"one of both", "admin", "&namespace=secret", message.Talk{}, nil, "[secret]", []string{"secret line"}},
		{"there is more", "jane", "", message.Talk{More: true}, nil, "[jobs]", []string{"[epilogue: more was said of", "line"}},
		{"the store is in trouble", "jane", "", message.Talk{}, errors.New("down"), "[jobs]", []string{"[epilogue: what was said of", "line"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			for pod, text := range map[archive.PodRef]string{usualPod: "line", secretPod: "secret line"} {
				s.write(pod, text)
				s.seal(pod, "main")
			}
			asked := ""
			s.parts.Messages = func(_ context.Context, _ string, namespaces []string) (message.Talk, error) {
				slices.Sort(namespaces)
				asked = fmt.Sprint(namespaces)
				return test.talk, test.err
			}
			s.api = NewAPI(Config{Namespace: "jobs"}, s.parts)
			w := s.askAs(test.user, "/api/v1/workloads/"+workload+"/log?format=zenml"+test.query)
			lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
			ok := w.Code == http.StatusOK && asked == test.asked && len(lines) == len(test.want)
			for i := range min(len(lines), len(test.want)) {
				var e zenmlEntry
				decode(t, []byte(lines[i]), &e)
				ok = ok && strings.HasPrefix(e.Message, test.want[i])
			}
			if !ok {
				t.Errorf("got %d %s, asked for messages in %s, want %q and %s", w.Code, w.Body, asked, test.want, test.asked)
			}
		})
	}
}

// TestZenMLLongLines: however long lines are, what ZenML's server has to hold is bounded, and each line is there with
// its start.
func TestZenMLLongLines(t *testing.T) {
	for _, test := range []struct {
		lines int64
		want  int
	}{{0, zenmlBytes}, {1, zenmlBytes}, {64, 1 << 20}, {zenmlLines, 1342}, {1 << 40, 1342}} {
		if got := longest(test.lines); got != test.want || int64(got)*min(max(test.lines, 1), zenmlLines) > zenmlBytes {
			t.Errorf("%d lines: got %d bytes of each, want %d", test.lines, got, test.want)
		}
	}
	z := &zenmlWriter{longest: 5}
	for text, want := range map[string]string{"12345": "12345", "": "", "1234567": "12345[epilogue: 2 of 7 bytes are left out here; the archive has them]"} {
		if got := z.shown([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
