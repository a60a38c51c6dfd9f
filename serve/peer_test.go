package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// holders says of every target that one replica has it.
type holders string

func (h holders) Holder(archive.Target) string   { return string(h) }
func (h holders) Unfinished(archive.Target) bool { return false }
func (h holders) AwaitGone(ctx context.Context, _ archive.Target) error {
	<-ctx.Done()
	return ctx.Err()
}

// behind makes an API over nothing but the store of s, to which another replica is the holder of what is open.
func (s *shelf) behind(peer string) *shelf {
	front := *s
	front.reader = read.New(find.Config{Store: s.faulty, Codec: codec, Poll: 1})
	front.parts.Reader, front.parts.Objects, front.parts.Cluster = front.reader, front.reader, holders(strings.TrimPrefix(peer, "http://"))
	front.api, front.ours = NewAPI(Config{Namespace: "jobs", Audience: audience}, front.parts), true
	return &front
}

// ours is jane's token for this API alone, as a header.
var ours = []string{"Authorization", "Bearer " + tokenFor("jane", audience)}

func (s *shelf) journal() {
	s.t.Helper()
	j := journal.New(journal.Config{Replica: "replica-0"}, s.faulty, s.spool, s.parts.Log, func(error) {})
	if err := j.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestOtherReplicaIsAsked: what it holds open comes from it, with the lines of this moment, for the caller's own
// rights.
func TestOtherReplicaIsAsked(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	s.journal()
	s.write(usualPod, "two") // in the owner's memory alone
	front := s.behind(s.server().URL)
	w := front.ask(logPath)
	if w.Code != http.StatusOK || w.Body.String() != "one\ntwo\n" || w.Header().Get(headerSource) != "live" {
		t.Errorf("got %d %q from %s, want both lines, live", w.Code, w.Body, w.Header().Get(headerSource))
	}
	for _, path := range []string{"/api/v1/workloads/" + workload + "/log", "/api/v1/namespaces/jobs/jobs/run/log"} {
		if w := front.ask(path); w.Body.String() != "one\ntwo\n" {
			t.Errorf("%s: got %d %q, want both lines", path, w.Code, w.Body)
		}
	}
	if got := front.askAs("joe", logPath).Code; got != http.StatusForbidden {
		t.Errorf("who may not: got %d, want 403", got)
	}
	s.access.rights = map[string]bool{}
	if got := front.ask(logPath).Code; got != http.StatusForbidden {
		t.Errorf("got %d, want 403", got)
	}
}

// TestFollowThroughAnotherReplica: lines come through it as they are written.
func TestFollowThroughAnotherReplica(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	front := s.behind(s.server().URL)
	body := bufio.NewReader(open(t, front.server().URL+logPath+"?follow=true", ours...).Body)
	for _, text := range []string{"one", "two", "three"} {
		if text != "one" {
			s.write(usualPod, text)
		}
		if got, err := body.ReadString('\n'); err != nil || got != text+"\n" {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
	s.seal(usualPod, "main")
	if rest := readAll(t, body); rest != "" {
		t.Errorf("after the end came %q", rest)
	}
}

// TestOtherReplicaIsGone: its journal answers, and the answer says so.
func TestOtherReplicaIsGone(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	s.journal()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }))
	defer broken.Close()
	forgot := httptest.NewServer(http.NotFoundHandler())
	defer forgot.Close()
	for _, peer := range []string{closed.URL, broken.URL, forgot.URL} {
		w := s.behind(peer).ask(logPath)
		if w.Code != http.StatusOK || w.Body.String() != "one\n" || w.Header().Get(headerSource) != "journal" {
			t.Errorf("got %d %q from %s, want what was journaled", w.Code, w.Body, w.Header().Get(headerSource))
		}
	}
}

// TestTwoReplicasThatEachNameTheOther: a change of owners must not make a request go round.
func TestTwoReplicasThatEachNameTheOther(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	s.journal()
	asked := 0
	var second *shelf
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		second.api.ServeHTTP(w, r)
	}))
	defer between.Close()
	first := s.behind(between.URL)
	back := httptest.NewServer(first.api)
	defer back.Close()
	second = s.behind(back.URL)
	if w := first.ask(logPath); w.Body.String() != "one\n" || asked != 1 {
		t.Errorf("got %d %q after %d turns, want the journal after one", w.Code, w.Body, asked)
	}
}

// TestOtherReplicaBreaksOff: a half answer of another one is no whole one of this one's.
func TestOtherReplicaBreaksOff(t *testing.T) {
	s := newShelf(t)
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("one\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer owner.Close()
	resp := open(t, s.behind(owner.URL).server().URL+logPath, ours...)
	got, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || got != "one\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := resp.Body.Read(make([]byte, 1)); err == nil || err.Error() == "EOF" {
		t.Errorf("got %v, want the answer broken off", err)
	}
}

// TestTokensGoToReplicasOnly: over TLS a peer must serve the certificate that this one serves.
func TestTokensGoToReplicasOnly(t *testing.T) {
	dir := t.TempDir()
	own, other := newCertificate(t, dir, "own"), newCertificate(t, dir, "other")
	for _, test := range []struct {
		name   string
		serves *Certificate
		ok     bool
	}{{"the same", own, true}, {"another", other, false}} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			s.draft(usualPod, "main")
			s.write(usualPod, "one")
			s.journal()
			heard := false
			peer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				heard = true
				s.api.ServeHTTP(w, r)
			}))
			cert, err := test.serves.Current()
			if err != nil {
				t.Fatal(err)
			}
			peer.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
			peer.StartTLS()
			defer peer.Close()
			front := s.behind(strings.TrimPrefix(peer.URL, "https://"))
			front.parts.Certificate = own.Current
			front.api, front.ours = NewAPI(Config{Namespace: "jobs", Audience: audience}, front.parts), false
			if w := front.ask(logPath); w.Body.String() != "one\n" {
				t.Errorf("got %d %q, want the line either way", w.Code, w.Body)
			}
			if heard != test.ok {
				t.Errorf("the peer heard the token: %v, want %v", heard, test.ok)
			}
		})
	}
}

// TestTokensStayWhereNobodyIsKnown: on plain HTTP nothing says who is at the other end, so that a token which is good
// elsewhere stays here, and the journal answers.
func TestTokensStayWhereNobodyIsKnown(t *testing.T) {
	for _, test := range []struct {
		name, token string
		goes        bool
	}{
		{"for the API server", tokenFor("jane", "https://kubernetes"), false},
		{"for both", tokenFor("jane", audience, "https://kubernetes"), false},
		{"for nobody in particular", tokenFor("jane"), false},
		{"no JWT", "jane", false},
		{"for us alone", tokenFor("jane", audience), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newShelf(t)
			s.draft(usualPod, "main")
			s.write(usualPod, "one")
			s.journal()
			heard := http.Header(nil)
			peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				heard = r.Header
				s.api.ServeHTTP(w, r)
			}))
			defer peer.Close()
			front := s.behind(peer.URL)
			front.ours = false
			w := front.askAs(test.token, logPath, "Cookie", "session=1")
			if w.Code != http.StatusOK || w.Body.String() != "one\n" {
				t.Errorf("got %d %q, want the line either way", w.Code, w.Body)
			}
			if got := heard != nil; got != test.goes || heard.Get("Cookie") != "" {
				t.Errorf("the other one was asked: %v, with cookies %q, want %v and none", got, heard.Get("Cookie"), test.goes)
			}
		})
	}
}

// A request may come through a proxy that speaks for many: what it says of them changes nothing.
func TestForwardedHeaderGivesNoRight(t *testing.T) {
	s := filled(t)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		u, _ := url.Parse(s.server().URL)
		p.SetURL(u)
		p.Out.Header.Set(forwarded, "1")
		p.Out.Header.Set("Authorization", "Bearer joe")
	}})
	defer proxy.Close()
	if got := open(t, proxy.URL+logPath).StatusCode; got != http.StatusForbidden {
		t.Errorf("got %d, want 403", got)
	}
}
