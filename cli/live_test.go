package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// playAPIServer plays an API server that has one pod, with a log.
func playAPIServer(t *testing.T, log string) string {
	t.Helper()
	const pod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"live-x","namespace":"zenml","uid":"1","creationTimestamp":"2026-11-23T10:00:00Z",
		"ownerReferences":[{"kind":"Job","name":"live","uid":"2"}]},
		"status":{"phase":"Running","initContainerStatuses":[{"name":"init","state":{"terminated":{"exitCode":0}}}],
		"containerStatuses":[{"name":"main","restartCount":1,"state":{"running":{"startedAt":"2026-11-23T10:00:00Z"}}}]}}`
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
	mux.HandleFunc("GET /api/v1/namespaces/zenml/pods", func(w http.ResponseWriter, r *http.Request) {
		items := ""
		switch r.URL.Query().Get("labelSelector") {
		case "batch.kubernetes.io/job-name=live":
			items = pod
		case "": // one of a Job with a selector of its own, and one of a stranger's kind
			items = strings.ReplaceAll(pod, `"name":"live","uid":"2"`, `"name":"picky","uid":"3"`) + "," +
				strings.ReplaceAll(pod, `"kind":"Job","name":"live"`, `"apiVersion":"batch.example.com/v1","kind":"Job","name":"foreign"`)
		}
		answer(w, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[`+items+`]}`)
	})
	mux.HandleFunc("GET /api/v1/namespaces/zenml/pods/live-x", func(w http.ResponseWriter, _ *http.Request) { answer(w, pod) })
	mux.HandleFunc("GET /api/v1/namespaces/zenml/pods/live-x/log", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("timestamps") != "true" {
			t.Errorf("got query %s, want one with timestamps", r.URL.RawQuery)
		}
		text := strings.ReplaceAll(log, "NAME", q.Get("container")+q.Get("previous"))
		if q.Get("tailLines") == "1" {
			lines := strings.SplitAfter(text, "\n")
			text = lines[len(lines)-2]
		}
		fmt.Fprint(w, text)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not here"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestLive(t *testing.T) {
	const log = "2026-11-23T10:00:00.5Z NAME one\n2026-11-23T10:00:01Z NAME two error\n2026-11-23T10:00:02Z NAME three\n"
	server := playAPIServer(t, log)
	for _, tt := range []struct {
		args string
		want string
		code int
	}{
		{"logs live --source live", "init one\ninit two error\ninit three\nmain one\nmain two error\nmain three\n", codeOK},
		{"logs pod/live-x --source live -c main --tail 1", "main three\n", codeOK},
		{"logs live --source live -c main -i error --tail 1", "main two error\n", codeOK},
		{"logs live --source live -c main -i error -A 1", "main two error\nmain three\n", codeOK},
		{"logs live --source live -c main -i error -B 1", "main one\nmain two error\n", codeOK},
		{"logs live --source live -c main -i three -C 1", "main two error\nmain three\n", codeOK},
		{"logs live --source live -c main -i one -i three -C 2", "main one\nmain two error\nmain three\n", codeOK},
		{"logs live --source live -c main -p", "maintrue one\nmaintrue two error\nmaintrue three\n", codeOK},
		{"logs live --source live -c main --since-time 2026-11-23T10:00:01Z --until 2026-11-23T10:00:02Z --timestamps", "2026-11-23T10:00:01.000000000Z main two error\n", codeOK},
		{"logs live --source live -c main --limit-bytes 11", "main one\nma", codeOK},
		{"logs live --source live -c main -f", "main one\nmain two error\nmain three\n", codeOK},
		{"logs none --source live", "", codeNotFound},
		{"logs picky --source live -c main --tail 1", "main three\n", codeOK},
		{"logs foreign --source live", "", codeNotFound},
		{"logs live --source near", "", codeUse},
		{"logs workload/x --source live", "", codeNotFound},
		{"logs live -c main", "main one\nmain two error\nmain three\n", codeOK}, // there is no daemon
	} {
		c := newScreen()
		code := c.does(t.Context(), append([]string{"--server", server}, strings.Split(tt.args, " ")...)...)
		if code != tt.code || c.out.String() != tt.want {
			t.Errorf("%s: got exit code %d and %q (%s), want %d and %q", tt.args, code, c.out, c.errOut, tt.code, tt.want)
		}
	}
}

// TestLiveOfBothFollowed: the logs of containers that run at once come at once, in any order, and each whole.
func TestLiveOfBothFollowed(t *testing.T) {
	server := playAPIServer(t, "2026-11-23T10:00:00Z NAME one\n2026-11-23T10:00:01Z NAME two\n")
	c := newScreen()
	code := c.does(t.Context(), "logs", "live", "--source", "live", "-f", "--server", server)
	lines := strings.Split(strings.TrimSpace(c.out.String()), "\n")
	slices.Sort(lines)
	if got, want := strings.Join(lines, ", "), "init one, init two, main one, main two"; code != codeOK || got != want {
		t.Errorf("got exit code %d and %s, want %s", code, got, want)
	}
}

// TestLiveError: the kubelet tells its errors with status 200, and they are no lines.
func TestLiveError(t *testing.T) {
	server := playAPIServer(t, "unable to retrieve container logs for containerd://1")
	for _, args := range []string{"logs live --source live", "logs live --source live --since 1h"} {
		c := newScreen()
		code := c.does(t.Context(), append(strings.Split(args, " "), "--server", server)...)
		if code != codeFailed || c.out.Len() > 0 || !strings.Contains(c.errOut.String(), "unable to retrieve") {
			t.Errorf("%s: got exit code %d, %q and %q, want an error and no line", args, code, c.out, c.errOut)
		}
	}
}

// TestLiveLongLine: a line of any length is given whole, and no words of it are taken for the kubelet's.
func TestLiveLongLine(t *testing.T) {
	long := strings.Repeat("0123456789", 300_000)
	const stamp = "2026-11-23T10:00:00.123456789Z "
	for _, tt := range []struct {
		name, args string
		log, want  string
	}{
		{"between lines", "", stamp + "one\n" + stamp + long + "\n" + stamp + "two\n", "one\n" + long + "\ntwo\n"},
		{"without an end", "", stamp + "one\n" + stamp + long, "one\n" + long},
		{"times inside of it", "", stamp + long + " " + stamp + long + "\n", long + " " + stamp + long + "\n"},
		{"of exactly a piece", "", stamp + long[:64<<10] + "\n" + stamp + "two\n", long[:64<<10] + "\ntwo\n"},
		{"the rest of one that began before", " --since-time 2026-11-23T10:00:00Z", "3456789\n" + stamp + "two\n", "3456789\ntwo\n"},
		{"the long rest of one", " --since-time 2026-11-23T10:00:00Z", long + "\n" + stamp + "two\n", long + "\ntwo\n"},
		{"the rest of one without an end", " --since-time 2026-11-23T10:00:00Z", long, long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newScreen()
			args := "logs live -c main --source live" + tt.args + " --server " + playAPIServer(t, tt.log)
			code := c.does(t.Context(), strings.Split(args, " ")...)
			if got := c.out.String(); code != codeOK || got != tt.want || c.errOut.Len() > 0 {
				t.Errorf("got exit code %d, %d bytes and %.200q, want %d bytes and not a word", code, len(got), c.errOut, len(tt.want))
			}
		})
	}
}

// TestNoDaemon: who asks for what only Epilogue has is told what to do.
func TestNoDaemon(t *testing.T) {
	server := playAPIServer(t, "")
	c := newScreen()
	code := c.does(t.Context(), "list", "--server", server)
	if got := c.errOut.String(); code != codeFailed || !strings.Contains(got, "kubectl epilogue doctor") || !strings.Contains(got, "--archive") {
		t.Errorf("got exit code %d and %q, want what to do", code, got)
	}
}
