package serve

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestStreamsHaveLimits(t *testing.T) {
	s := newStreams(3, 2, 1<<20)
	take := func(user, wantReason string) func() {
		t.Helper()
		_, back, reason, err := s.take(user)
		if reason != wantReason || (err == nil) != (wantReason == "") {
			t.Fatalf("%s: got %q, %v, want %q", user, reason, err, wantReason)
		}
		return back
	}
	first, second := take("jane", ""), take("jane", "")
	take("jane", refusedUser)
	third := take("joe", "")
	take("eve", refusedAll)
	first()
	fourth := take("eve", "")
	for _, back := range []func(){second, third, fourth} {
		back()
	}
	if open, limit := s.Open(); open != 0 || limit != 3 || len(s.of) != 0 {
		t.Errorf("got %d of %d open and users %v, want none", open, limit, s.of)
	}
}

// TestFollowersAreCounted: who follows has his slot until he leaves, and is told when to come again where there is
// none.
func TestFollowersAreCounted(t *testing.T) {
	s := newShelfWith(t, Config{Namespace: "jobs", MaxStreams: 3, MaxStreamsOfUser: 1})
	s.draft(usualPod, "main")
	s.write(usualPod, "line")
	url := s.server().URL + logPath + "?follow=true"
	resp := open(t, url)
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	w := s.ask(logPath)
	wantStatus(t, w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	if w.Header().Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if got := s.askAs("admin", logPath).Code; got != http.StatusOK {
		t.Errorf("another user: got %d, want 200", got)
	}
	_ = resp.Body.Close()
	await(t, func() bool { open, _ := s.api.Streams(); return open == 0 })
	if got := s.ask(logPath).Code; got != http.StatusOK {
		t.Errorf("after she left: got %d, want 200", got)
	}
}

// await waits for what the server does on its own when a client is gone.
func await(t testing.TB, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("waited in vain")
		}
	}
}

// TestClientThatDoesNotReadIsCutOff: he has his time, and costs no more memory than the kernel's buffers meanwhile; the
// log goes on for others.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	s := newShelfWith(t, Config{Namespace: "jobs", WriteTimeout: 100 * time.Millisecond})
	s.draft(usualPod, "main")
	line := noise(64<<10, 1)
	for range 256 { // 16 MiB: more than two sockets hold
		s.write(usualPod, line)
	}
	server := s.server()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET " + logPath + "?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer jane\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	// He reads nothing from here on.
	if got := s.askAs("admin", logPath+"?tailLines=1").Body.String(); got != line+"\n" {
		t.Errorf("somebody else got %d bytes, want the last line", len(got))
	}
	await(t, func() bool { open, _ := s.api.Streams(); return open == 0 })
}

// TestFlushesAreBounded: the buffer of an answer does not grow with the log, nor stay as large as one giant line.
func TestFlushesAreBounded(t *testing.T) {
	w := &answerWriter{ResponseWriter: &discard{h: http.Header{}}, control: http.NewResponseController(&discard{}), timeout: time.Second}
	s := newStream(w, textForm(false, false))
	i := instance(usualPod, "main")
	for _, size := range []int{10, 1 << 20, 10} {
		e := &archive.Entry{Line: archive.Line{Text: bytes.Repeat([]byte("x"), size)}, Instance: &i}
		for range 100 {
			if err := s.append(func(dst []byte) []byte { return s.form.line(dst, e) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := cap(s.buffer); got > 4*bufferFull {
		t.Errorf("the buffer has %d bytes, want at most %d", got, 4*bufferFull)
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// TestMemoryOfOneUser: what would take more memory than one user may take is refused, and counted; what is little, and
// what others ask, is given, and it is given once there is room.
func TestMemoryOfOneUser(t *testing.T) {
	s := newShelfWith(t, Config{Namespace: "jobs", MemoryOfUser: 16 << 20})
	s.draft(usualPod, "main")
	s.write(usualPod, "line")
	costly := logPath + "?follow=true&grep=line&before=1000" // 4 MiB and a half, of nine
	resp := open(t, s.server().URL+costly)
	if got, err := bufio.NewReader(resp.Body).ReadString('\n'); got != "line\n" || err != nil {
		t.Fatalf("got %q, %v, want the line", got, err)
	}
	w := s.ask(costly)
	wantStatus(t, w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	if w.Header().Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if bytes, limit := s.api.Memory(); bytes < 4<<20 || bytes > limit || limit != 9<<20 {
		t.Errorf("got %d bytes reserved of %d, want more than 4 MiB of 9", bytes, limit)
	}
	if got := testutil.ToFloat64(s.api.parts.Metrics.Refused.WithLabelValues(refusedMemory)); got != 1 {
		t.Errorf("got %v refusals counted, want 1", got)
	}
	if got := s.ask(logPath).Code; got != http.StatusOK {
		t.Errorf("a plain answer: got %d, want 200", got)
	}
	if got := s.askAs("admin", logPath+"?grep=line&before=1000").Code; got != http.StatusOK {
		t.Errorf("another user: got %d, want 200", got)
	}
	_ = resp.Body.Close()
	await(t, func() bool { open, _ := s.api.Streams(); return open == 0 })
	if got := s.ask(logPath + "?grep=line&before=1000").Code; got != http.StatusOK {
		t.Errorf("once there is room: got %d, want 200", got)
	}
}
