package serve

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// say appends a line to a container of a pod.
func (s *shelf) say(pod archive.PodRef, container, text string) {
	s.t.Helper()
	if _, err := s.log(pod, container).Append(archive.Line{Time: start.UnixNano(), Text: []byte(text)}); err != nil {
		s.t.Fatal(err)
	}
}

// listener reads events as they come.
type listener struct {
	t    testing.TB
	body *bufio.Reader
	id   string // of the last event, as an EventSource keeps it
}

func listen(t testing.TB, url, id string) (l *listener, leave func()) {
	t.Helper()
	resp := open(t, url, "Last-Event-ID", id)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s, want an answer", resp.Status)
	}
	return &listener{t, bufio.NewReader(resp.Body), id}, func() { _ = resp.Body.Close() }
}

// until reads up to the first line of the answer that holds a text, and returns all up to it.
func (l *listener) until(text string) (all string) {
	l.t.Helper()
	for {
		line, err := l.body.ReadString('\n')
		all += line
		if err != nil {
			l.t.Fatalf("waited for %q after %q: %v", text, all, err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			l.id = strings.TrimSpace(id)
		}
		if strings.Contains(line, text) {
			return all
		}
	}
}

// TestFollowFromTheEndGoesOn: a follower of what comes loses its connection, as where the daemon restarts: before the
// first line, and after a line of one log of several. What came meanwhile in each log, also in one that is new, comes
// when it is back, and nothing else does.
func TestFollowFromTheEndGoesOn(t *testing.T) {
	for _, tail := range []string{"0", "1"} {
		t.Run(tail, func(t *testing.T) {
			s := newShelfWith(t, Config{Namespace: "jobs", Ping: 5 * time.Millisecond})
			s.draft(usualPod, "main", "side")
			s.say(usualPod, "main", "old")
			s.say(usualPod, "side", "old")
			url := s.server().URL + logPath + "?format=sse&follow=true&tailLines=" + tail
			first, leave := listen(t, url, "")
			first.until("id: 2.")
			leave()
			s.say(usualPod, "side", "side, before any line")
			s.say(usualPod, "side", "side, once more")
			second, leave := listen(t, url, first.id)
			second.until("side, before any line")
			second.until("side, once more")
			s.say(usualPod, "main", "while it listened")
			second.until("while it listened")
			leave()
			s.draft(usualPod, "main", "side", "new")
			for _, container := range []string{"new", "side", "main"} {
				s.say(usualPod, container, container+", while it was away")
			}
			third, leave := listen(t, url, second.id)
			defer leave()
			all := ""
			for strings.Count(all, "while it was away") < 3 {
				all += third.until("while it was away")
			}
			if strings.Contains(all, "old") || strings.Contains(all, "listened") || strings.Contains(all, "once more") {
				t.Errorf("lines come twice: %s", all)
			}
		})
	}
}

// TestComesBackWhileMoreMayCome: an EventSource is not told to stay away (204) while a container, or a pod, may start
// yet.
func TestComesBackWhileMoreMayCome(t *testing.T) {
	t.Run("a container", func(t *testing.T) {
		s := newShelf(t)
		m := manifestOf(usualPod)
		m.Pod.Phase = "Pending"
		m.Instances = []archive.InstanceRecord{
			{Instance: instance(usualPod, "init")},
			{Instance: instance(usualPod, "main"), Verdict: archive.NeverStarted, Reason: "ErrImagePull"},
		}
		if err := s.spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
			t.Fatal(err)
		}
		s.say(usualPod, "init", "ready")
		if _, err := s.sealer.Log(t.Context(), s.log(usualPod, "init")); err != nil {
			t.Fatal(err)
		}
		answer := s.ask(logPath + "?format=sse")
		ids, _, _ := events(t, answer.Body.String())
		if got, want := answer.Header().Get(headerVerdict), "open"; got != want {
			t.Errorf("got verdict %q, want %q", got, want)
		}
		if got, want := answer.Header().Get("Warning"), `299 epilogue "jobs/run-abcde/main[0] has not started yet: ErrImagePull"`; got != want {
			t.Errorf("got warning %s, want %s", got, want)
		}
		s.comesBack(logPath, ids[len(ids)-1])
	})
	t.Run("a pod", func(t *testing.T) {
		s := newShelf(t)
		s.write(usualPod, "one")
		s.sealOnly(usualPod, "main") // the Job tries again, after a while
		path := "/api/v1/namespaces/jobs/jobs/run/log"
		ids, _, _ := events(t, s.ask(path+"?format=sse").Body.String())
		s.comesBack(path, ids[len(ids)-1])
		if got, want := s.ask(logPath+"?format=sse&follow=true", "Last-Event-ID", ids[len(ids)-1]).Code, http.StatusNoContent; got != want {
			t.Errorf("of the pod alone: got %d, want %d", got, want)
		}
		s.parts.Cluster = deleted{}
		s.api = NewAPI(Config{Namespace: "jobs"}, s.parts)
		if got, want := s.ask(path+"?format=sse&follow=true", "Last-Event-ID", ids[len(ids)-1]).Code, http.StatusNoContent; got != want {
			t.Errorf("of a Job that was deleted: got %d, want %d", got, want)
		}
	})
}

// comesBack checks that a follower who comes back is let in.
func (s *shelf) comesBack(path, id string) {
	s.t.Helper()
	resp := open(s.t, s.server().URL+path+"?format=sse&follow=true", "Last-Event-ID", id)
	if resp.StatusCode != http.StatusOK {
		s.t.Errorf("a follower who comes back while more may come gets %s", resp.Status)
	}
}

// sealOnly seals a pod whose Job goes on.
func (s *shelf) sealOnly(pod archive.PodRef, containers ...string) {
	s.t.Helper()
	m := manifestOf(pod)
	for _, c := range containers {
		record, err := s.sealer.Log(s.t.Context(), s.log(pod, c))
		if err != nil {
			s.t.Fatal(err)
		}
		m.Instances = append(m.Instances, record)
	}
	if err := s.sealer.Pod(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}
