package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/cli/remote"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// played is a daemon's API over the shelf, with an API server before it that knows nothing.
type played struct {
	*httptest.Server
	kubernetes *httptest.Server
	meet       func(http.Handler, http.ResponseWriter, *http.Request) // what a request meets; nil: the API

	mu     sync.Mutex
	tokens []string // guarded by mu; of the requests
}

// onlyJane lets jane in.
type onlyJane struct{ access.Anyone }

func (onlyJane) User(_ context.Context, h http.Header) (access.User, error) {
	token, err := access.Token(h)
	return access.User{Name: token}, err
}

func (s *shelf) daemon() *played {
	s.t.Helper()
	reader, err := newReader(s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	return playDaemon(reader)
}

func playDaemon(reader *read.Reader, more ...serve.Route) *played {
	api := serve.NewAPI(serve.Config{Namespace: zenml}, serve.Parts{
		Access: onlyJane{}, Reader: reader, Objects: reader, Log: slog.New(slog.DiscardHandler),
	})
	api.Add(more...)
	d := &played{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.tokens = append(d.tokens, r.Header.Get("Authorization"))
		meet := d.meet
		d.mu.Unlock()
		if meet == nil {
			api.ServeHTTP(w, r)
			return
		}
		meet(api, w, r)
	}))
	// Over TLS: to a server without it no credentials are sent.
	d.kubernetes = httptest.NewTLSServer(http.NotFoundHandler())
	return d
}

func (d *played) Close() {
	d.Server.CloseClientConnections()
	d.Server.Close()
	d.kubernetes.Close()
}

// flags lead a program there.
func (d *played) flags() []string {
	return []string{"--server", d.kubernetes.URL, "--insecure-skip-tls-verify", "--daemon-url", d.URL, "--token", "jane"}
}

// meets puts something in the way of the next requests.
func (d *played) meets(meet func(api http.Handler, w http.ResponseWriter, r *http.Request)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meet = meet
}

// long puts a Job with many lines in two containers onto the shelf.
func (s *shelf) long() {
	pod := ref("long", "long-eeeee")
	job := archive.JobSummary{Name: "long", UID: pod.JobUID, CreatedAt: s.before(10), Conditions: []archive.Condition{{Type: "Complete", Status: "True"}}}
	m := &archive.Manifest{Job: &job, Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded", CreatedAt: s.before(10)}}
	for _, container := range []string{"one", "two"} {
		var lines []string
		for n := range 300 {
			lines = append(lines, fmt.Sprintf("%s line %d \xff \u2028 <&>", container, n))
		}
		m.Instances = append(m.Instances, ended(s.log(pod, container, archive.KindMain, 10, nil, lines...), 0, "", s.before(10), s.before(9)))
	}
	s.seal(m)
	s.finish(&archive.JobDocument{Job: job}, pod)
}

// remote returns a client of the daemon that does not wait long.
func (d *played) remote(t *testing.T, dial func(context.Context) (*remote.Line, error)) *remote.Client {
	t.Helper()
	jane := func(rt http.RoundTripper) (http.RoundTripper, error) { return bearer{rt}, nil }
	if dial == nil {
		dial = func(context.Context) (*remote.Line, error) { return remote.Direct(d.URL, jane) }
	}
	c := remote.New(remote.Config{Dial: dial, Retry: time.Nanosecond, Tries: 3})
	t.Cleanup(c.Close)
	return c
}

type bearer struct{ http.RoundTripper }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer jane")
	return b.RoundTripper.RoundTrip(r)
}

// cutOff is an answer whose connection breaks after so many bytes.
type cutOff struct {
	http.ResponseWriter
	left int
}

func (c *cutOff) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.ResponseWriter.Write(b)
	}
	_, _ = c.ResponseWriter.Write(b[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	c.left = 0
	return 0, io.ErrClosedPipe // for which the API cuts the answer off
}

func (c *cutOff) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// TestResume: however often the answer breaks off, each line comes once.
func TestResume(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	s.long()
	d := s.daemon()
	defer d.Close()
	for _, flags := range [][2]string{
		{"--follow=false"}, {"--follow"}, {"--follow=false", "--limit-bytes=9000"}, {"--follow", "--limit-bytes=9001"}, {"--follow", "--limit-bytes=300"},
	} {
		follow, limit := flags[0], cmp.Or(flags[1], "--limit-bytes=0")
		want := s.screen()
		if code := want.does(t.Context(), "logs", "long", "-o", "json", limit); code != codeOK {
			t.Fatal(want.errOut)
		}
		requests := 0
		d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/log") {
				requests++
				w = &cutOff{w, 2000 + 977*requests}
			}
			api.ServeHTTP(w, r)
		})
		c := newScreen()
		c.origin = d.remote(t, nil)
		if code := c.does(t.Context(), "logs", "long", "-o", "json", follow, limit); code != codeOK || c.out.String() != want.out.String() {
			t.Errorf("%s: got exit code %d, %d bytes (%s), want the same %d bytes", flags, code, c.out.Len(), c.errOut, want.out.Len())
		}
		if requests < 2 {
			t.Errorf("%s: got %d requests, want that the answer broke off", flags, requests)
		}
	}
}

// TestResumeElsewhere: the daemon dies under a follower, and another replica goes on.
func TestResumeElsewhere(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	s.long()
	first, second := s.daemon(), s.daemon()
	defer first.Close()
	defer second.Close()
	asked, dialled := 0, 0
	first.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			panic(http.ErrAbortHandler) // a port that leads to a pod that is gone
		}
		api.ServeHTTP(&cutOff{w, 5000}, r)
	})
	c := newScreen()
	c.origin = first.remote(t, func(context.Context) (*remote.Line, error) {
		dialled++
		base := first.URL
		if dialled > 1 {
			base = second.URL
		}
		return remote.Direct(base, func(rt http.RoundTripper) (http.RoundTripper, error) { return bearer{rt}, nil })
	})
	code := c.does(t.Context(), "logs", "-f", "pod/long-eeeee")
	if got, want := strings.Count(c.out.String(), "\n"), 600; code != codeOK || got != want || dialled != 2 {
		t.Errorf("got exit code %d, %d lines over %d ways (%s), want %d lines over 2", code, got, dialled, c.errOut, want)
	}
}

// TestTokenRunsOut: an answer that ends for it is asked for again, with the token of then; not for ever.
func TestTokenRunsOut(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	s.long()
	d := s.daemon()
	defer d.Close()
	for _, tt := range []struct {
		times, code, lines int
	}{{1, codeOK, 600}, {1000, codeFailed, 0}} {
		asked := 0
		d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
			if asked++; asked > tt.times {
				api.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "event: error\ndata: {\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"Unauthorized\",\"code\":401,\"message\":\"it ran out\"}\n\n")
		})
		c := newScreen()
		c.origin = d.remote(t, nil)
		code := c.does(t.Context(), "logs", "-f", "pod/long-eeeee")
		if got := strings.Count(c.out.String(), "\n"); code != tt.code || got != tt.lines || asked > tt.times+1 {
			t.Errorf("%d times: got exit code %d, %d lines after %d requests (%s), want %d and %d", tt.times, code, got, asked, c.errOut, tt.code, tt.lines)
		}
	}
}

// TestDownloadAsksForOneInstance: of a container that was restarted each text comes from the daemon once.
func TestDownloadAsksForOneInstance(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	var asked []string
	d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/log") {
			asked = append(asked, r.URL.Query().Get("container")+"."+r.URL.Query().Get("restart"))
		}
		api.ServeHTTP(w, r)
	})
	c := newScreen()
	c.origin = d.remote(t, nil)
	code := c.does(t.Context(), "download", "pod/nightly-bbbbb", "-d", t.TempDir())
	if got, want := strings.Join(asked, " "), "setup.0 main.0"; code != codeOK || got != want {
		t.Errorf("got exit code %d and requests for %s (%s), want %s", code, got, c.errOut, want)
	}
}

// TestListOfAllNamespacesOfAnOldDaemon: which has no such list.
func TestListOfAllNamespacesOfAnOldDaemon(t *testing.T) {
	s := newShelf(t, storetest.NewMemory(t))
	d := s.daemon()
	defer d.Close()
	d.meets(func(api http.Handler, w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/api/v1/jobs", "/api/v1/none", 1)
		api.ServeHTTP(w, r)
	})
	c := newScreen()
	if code := c.does(t.Context(), append([]string{"list", "-A"}, d.flags()...)...); code != codeUse || !strings.Contains(c.errOut.String(), "one namespace at a time") {
		t.Errorf("got exit code %d and %q, want %d and what to do", code, c.errOut, codeUse)
	}
}
