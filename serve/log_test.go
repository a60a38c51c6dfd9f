package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// filled returns a shelf with a sealed pod of four lines, a second apart.
func filled(t testing.TB) *shelf {
	s := newShelf(t)
	s.write(usualPod, "one", "two", "three", "four")
	s.seal(usualPod, "main")
	return s
}

func TestTextIsWhatWasWritten(t *testing.T) {
	s := filled(t)
	tests := []struct{ query, want string }{
		{"", "one\ntwo\nthree\nfour\n"},
		{"?tailLines=2", "three\nfour\n"},
		{"?tailLines=0", ""},
		{"?limitBytes=5", "one\nt"},
		{"?lines=2-3", "two\nthree\n"},
		{"?lines=3-", "three\nfour\n"},
		{"?lines=-1", "one\n"},
		{"?bytes=0-2", "one"},
		{"?bytes=4-", "two\nthree\nfour\n"},
		{"?sinceTime=2026-11-23T10:00:02Z", "three\nfour\n"},
		{"?since=2026-11-23T10:00:02.5Z", "four\n"},
		{"?until=2026-11-23T10:00:01Z", "one\n"},
		{"?grep=t", "two\nthree\n"},
		{"?grep=^t.o$", "two\n"},
		{"?grep=T&ignoreCase=true&invert", "one\nfour\n"},
		{"?grep=.&fixed=true", ""},
		{"?grep=three&context=1", "two\nthree\nfour\n"},
		{"?grep=three&before=1", "two\nthree\n"},
		{"?timestamps=true&tailLines=1", "2026-11-23T10:00:03.000000000Z four\n"},
		{"?prefix&tailLines=1", "[run-abcde/main] four\n"},
		{"?container=main", "one\ntwo\nthree\nfour\n"},
		{"?container=other", ""},
		{"?attempt=1", "one\ntwo\nthree\nfour\n"},
		{"?attempt=2", ""},
		{"?stream=All&format=text", "one\ntwo\nthree\nfour\n"},
		{"?uid=pod-uid", "one\ntwo\nthree\nfour\n"},
		{"?follow=true", "one\ntwo\nthree\nfour\n"},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			w := s.ask(logPath + test.query)
			if w.Code != http.StatusOK || w.Body.String() != test.want {
				t.Errorf("got %d %q, want 200 %q", w.Code, w.Body, test.want)
			}
			if got, want := w.Header().Get("Content-Type"), "text/plain; charset=utf-8"; got != want {
				t.Errorf("got Content-Type %q, want %q", got, want)
			}
		})
	}
}

// TestLogIsTheSameByAnyName: by its pod, its Job or its workload, live, sealed or both.
func TestLogIsTheSameByAnyName(t *testing.T) {
	s := newShelf(t)
	s.write(otherPod, "built")
	s.seal(otherPod, "main")
	s.draft(usualPod, "main")
	s.write(usualPod, "one", "two")
	tests := []struct{ path, want, source, verdict string }{
		{logPath, "one\ntwo\n", "live", "open"},
		{"/api/v1/namespaces/jobs/jobs/run/log", "one\ntwo\n", "live", "open"},
		{"/api/v1/namespaces/jobs/jobs/build/log", "built\n", "archive", "complete"},
		{"/api/v1/workloads/" + workload + "/log", "built\none\ntwo\n", "mixed", "open"},
	}
	for _, test := range tests {
		w := s.ask(test.path)
		if w.Code != 200 || w.Body.String() != test.want {
			t.Errorf("%s: got %d %q, want %q", test.path, w.Code, w.Body, test.want)
		}
		if source, verdict := w.Header().Get(headerSource), w.Header().Get(headerVerdict); source != test.source || verdict != test.verdict {
			t.Errorf("%s: got source %q, verdict %q, want %q, %q", test.path, source, verdict, test.source, test.verdict)
		}
	}
}

// TestLinesInPieces: a line that the kubelet served in pieces is one line again, with one time, whoever writes in
// between.
func TestLinesInPieces(t *testing.T) {
	e := func(container, text string, partial bool) *archive.Entry {
		i := instance(usualPod, container)
		return &archive.Entry{Line: archive.Line{Time: start.UnixNano(), Text: []byte(text), Partial: partial}, Instance: &i}
	}
	f := textForm(true, false)
	var got []byte
	for _, entry := range []*archive.Entry{e("a", "12", true), e("a", "34", true), e("a", "5", false), e("a", "cut", true), e("b", "whole", false), e("a", "rest", false)} {
		got = f.line(got, entry)
	}
	stamp := "2026-11-23T10:00:00.000000000Z "
	if want := stamp + "12345\n" + stamp + "cut\n" + stamp + "whole\n" + stamp + "rest\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNDJSON(t *testing.T) {
	s := newShelf(t)
	s.write(usualPod, "<one> & \"two\"", "\xff\xfe")
	s.seal(usualPod, "main")
	w := s.ask(logPath, "Accept", "application/x-ndjson")
	if got, want := w.Header().Get("Content-Type"), "application/x-ndjson"; got != want {
		t.Errorf("got Content-Type %q, want %q", got, want)
	}
	lines := strings.Split(w.Body.String(), "\n")
	want := `{"namespace":"jobs","job":"run","pod":"run-abcde","podUID":"pod-uid","container":"main","restart":0,"line":1,` +
		`"time":"2026-11-23T10:00:00.000000000Z","text":"<one> & \"two\""}`
	if len(lines) != 4 || lines[0] != want {
		t.Fatalf("got %q, want two lines and an end, the first %s", lines, want)
	}
	var second wire.Line
	decode(t, []byte(lines[1]), &second)
	if !bytes.Equal(second.Base64, []byte("\xff\xfe")) {
		t.Errorf("got %s, want the bytes of a text that is not UTF-8 in base64 %s", lines[1], base64.StdEncoding.EncodeToString([]byte("\xff\xfe")))
	}
	var end struct{ End wire.End }
	decode(t, []byte(lines[2]), &end)
	if e := end.End; e.Source != archive.FromArchive || len(e.Logs) != 1 || e.Logs[0].Verdict != archive.Complete || e.Logs[0].Lines != 2 {
		t.Errorf("got end %+v, want the log's verdict", e)
	}
}

// events takes server-sent events apart: their ids, and the texts of lines.
func events(t testing.TB, body string) (ids, texts, names []string) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var name, data string
		for field := range strings.SplitSeq(event, "\n") {
			key, value, _ := strings.Cut(field, ": ")
			switch key {
			case "id":
				ids = append(ids, value)
			case "event":
				name = value
			case "data":
				data = value
			}
		}
		if names = append(names, name); name == "" && data != "" {
			var r wire.Line
			decode(t, []byte(data), &r)
			texts = append(texts, r.Text)
		}
	}
	return ids, texts, names
}

// TestResumeAtEveryEvent: whoever stops after any event goes on with the next one, by whatever way he says where he
// was.
func TestResumeAtEveryEvent(t *testing.T) {
	s := newShelf(t)
	s.write(otherPod, "a", "b")
	s.seal(otherPod, "main")
	s.draft(usualPod, "main")
	s.write(usualPod, "c", "d")
	path := "/api/v1/workloads/" + workload + "/log"
	w := s.ask(path, "Accept", "text/event-stream")
	if w.Header().Get("X-Accel-Buffering") != "no" || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("got header %v, want no buffering and text/event-stream", w.Header())
	}
	ids, all, names := events(t, w.Body.String())
	if strings.Join(all, "") != "abcd" || names[len(names)-1] != "end" {
		t.Fatalf("got lines %v and events %v, want abcd and an end", all, names)
	}
	for n, id := range ids {
		want := strings.Join(all[n+1:], "")
		for _, how := range []struct {
			name string
			ask  func() string
		}{
			{"header", func() string { return s.ask(path, "Accept", "text/event-stream", "Last-Event-ID", id).Body.String() }},
			{"parameter", func() string { return s.ask(path + "?format=sse&resume=" + id).Body.String() }},
			{"with a tail", func() string { return s.ask(path + "?format=sse&tailLines=1&resume=" + id).Body.String() }},
		} {
			if how.name == "with a tail" && n < 2 {
				continue // the second log has not begun: its tail counts
			}
			if _, got, _ := events(t, how.ask()); strings.Join(got, "") != want {
				t.Errorf("%s after event %d: got %v, want %q", how.name, n, got, want)
			}
		}
	}
	wantStatus(t, s.ask(path, "Accept", "text/event-stream", "Last-Event-ID", "17"), http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

// TestNothingIsLeftToResume: an EventSource comes back after each end, and is sent away then.
func TestNothingIsLeftToResume(t *testing.T) {
	s := filled(t)
	ids, _, _ := events(t, s.ask(logPath+"?format=sse").Body.String())
	if got, want := s.ask(logPath+"?format=sse&follow=true", "Last-Event-ID", ids[len(ids)-1]).Code, http.StatusNoContent; got != want {
		t.Errorf("after the last line: got %d, want %d", got, want)
	}
	if got, want := s.ask(logPath+"?format=sse", "Last-Event-ID", ids[0]).Code, http.StatusOK; got != want {
		t.Errorf("after the first line: got %d, want %d", got, want)
	}
}

// TestFollow: one answer through the lines, the seal and the pod's leaving of the spool, each line once and soon.
func TestFollow(t *testing.T) {
	for _, accept := range []string{"text/plain", "text/event-stream"} {
		t.Run(accept, func(t *testing.T) {
			s := newShelfWith(t, Config{Namespace: "jobs", Ping: 5 * time.Millisecond})
			s.draft(usualPod, "main")
			s.write(usualPod, "one")
			body := bufio.NewReader(open(t, s.server().URL+logPath+"?follow=true", "Accept", accept).Body)
			expect := func(text string) {
				t.Helper()
				for {
					line, err := body.ReadString('\n')
					if err != nil {
						t.Fatalf("waited for %q: %v", text, err)
					}
					if strings.Contains(line, text) {
						return
					}
				}
			}
			expect("one")
			s.write(usualPod, "two")
			expect("two")
			if accept == "text/event-stream" {
				expect(": ping")
			}
			s.write(usualPod, "three")
			s.seal(usualPod, "main")
			expect("three")
			if accept == "text/event-stream" {
				expect(`"verdict":"complete"`)
			}
			if rest := readAll(t, body); strings.ContainsAny(rest, "{") {
				t.Errorf("after the end came %q", rest)
			}
		})
	}
}

// TestVerdictIsToldInTheHeader: an answer without a line says why, where a text has no other place.
func TestVerdictIsToldInTheHeader(t *testing.T) {
	s := newShelf(t)
	m := manifestOf(usualPod)
	m.Instances = []archive.InstanceRecord{
		{Instance: instance(usualPod, "setup"), Verdict: archive.Empty},
		{Instance: instance(usualPod, "main"), Verdict: archive.Lost, Reason: `evicted: "disk"`},
		{Instance: instance(usualPod, "late"), Verdict: archive.NeverStarted, Reason: "ErrImagePull"},
	}
	s.sealAs(m)
	w := s.ask(logPath)
	if got, want := w.Header().Get(headerVerdict), "lost"; got != want || w.Body.Len() != 0 {
		t.Errorf("got verdict %q and %q, want %q and no text", got, w.Body, want)
	}
	want := []string{
		`299 epilogue "jobs/run-abcde/setup[0] ran and wrote nothing"`,
		`299 epilogue "the log of jobs/run-abcde/main[0] is lost: evicted: \"disk\""`,
		`299 epilogue "jobs/run-abcde/late[0] never started: ErrImagePull"`,
	}
	if got := w.Header()["Warning"]; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got warnings %q, want %q", got, want)
	}
}

// TestDamageIsNamedAndTheRestIsRead: in each form.
func TestDamageIsNamedAndTheRestIsRead(t *testing.T) {
	s := newShelf(t)
	// More than is one frame.
	s.write(usualPod, "a"+noise(400<<10, 1), "b"+noise(400<<10, 2), "c"+noise(400<<10, 3), "d"+noise(400<<10, 4))
	s.seal(usualPod, "main")
	s.damage(instance(usualPod, "main").LogKey(), 3000)
	for format, want := range map[string]string{
		"text": "[epilogue: read frame 0 of v1/jobs/run/", "ndjson": `{"damage":{`, "sse": "event: damage\n", "zenml": `"message":"[epilogue: read frame 0 of`,
	} {
		w := s.ask(logPath + "?format=" + format)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), "d"+noise(400<<10, 4)) {
			t.Errorf("%s: got %d and %d bytes %.300q, want %q and the last line", format, w.Code, w.Body.Len(), w.Body, want)
		}
	}
}

// TestBrokenAnswerIsNoWholeOne: where the store stops in the middle, what was read is given, and the client sees that
// it is not all.
func TestBrokenAnswerIsNoWholeOne(t *testing.T) {
	for _, format := range []string{"text", "ndjson", "sse", "zenml"} {
		t.Run(format, func(t *testing.T) {
			s := newShelf(t)
			var lines []string
			for n := range 40 {
				lines = append(lines, fmt.Sprintf("line %d %s", n, noise(100<<10, n)))
			}
			s.write(usualPod, lines...)
			s.seal(usualPod, "main")
			s.breakLater()
			resp := open(t, s.server().URL+logPath+"?format="+format)
			var got bytes.Buffer
			_, err := got.ReadFrom(resp.Body)
			if resp.StatusCode != http.StatusOK || err == nil {
				t.Errorf("got %d and a whole answer of %d bytes, want it broken off", resp.StatusCode, got.Len())
			}
			want := map[string]string{"ndjson": `{"error":{`, "sse": "event: error\n"}[format]
			if !strings.Contains(got.String(), "line 0 ") || !strings.Contains(got.String(), want) {
				t.Errorf("got %d bytes, want the first line and %q", got.Len(), want)
			}
		})
	}
}

// deleted says that no Job exists any more.
type deleted struct{}

func (deleted) Holder(archive.Target) string                    { return "" }
func (deleted) AwaitGone(context.Context, archive.Target) error { return nil }
func (deleted) Unfinished(archive.Target) bool                  { return false }

// TestFollowOfADeletedJobEnds: its document is never written, and its follower must not wait for it for ever.
func TestFollowOfADeletedJobEnds(t *testing.T) {
	s := newShelf(t)
	s.parts.Cluster = deleted{}
	s.api = NewAPI(Config{Namespace: "jobs"}, s.parts)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	body := bufio.NewReader(open(t, s.server().URL+"/api/v1/namespaces/jobs/jobs/run/log?follow=true").Body)
	if line, err := body.ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	s.write(usualPod, "two")
	record, err := s.sealer.Log(t.Context(), s.log(usualPod, "main"))
	if err != nil {
		t.Fatal(err)
	}
	m := manifestOf(usualPod)
	m.Instances = []archive.InstanceRecord{record}
	if err := s.sealer.Pod(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := s.spool.Drop(usualPod.PodUID); err != nil {
		t.Fatal(err)
	}
	if rest := readAll(t, body); rest != "two\n" {
		t.Errorf("got %q, want the last line and the end", rest)
	}
}
