package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestRetries counts the tries of one call. Forty calls in a row check that no bucket of retries runs dry in an outage.
func TestRetries(t *testing.T) {
	tests := []struct {
		name     string
		failures int // answers that are 503 before the first good one
		tries    int
		ok       bool
	}{
		{"none", 0, 1, true},
		{"two", 2, 3, true},
		{"for ever", 1 << 30, 3, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transport := &answers{}
			s := openFake(t, transport, custom)
			synctest.Test(t, func(t *testing.T) {
				for range 40 {
					transport.requests = nil
					transport.answer = func(n int, req *http.Request) (*http.Response, error) {
						if n <= tt.failures {
							return refusal(503, "SlowDown"), drain(req)
						}
						return reply(200, ""), drain(req)
					}
					err := putBytes(t, s, 10, archive.PutOptions{})
					if got := len(transport.requests); (err == nil) != tt.ok || got != tt.tries {
						t.Fatalf("Put = %v after %d tries, want success %t after %d", err, got, tt.ok, tt.tries)
					}
				}
			})
		})
	}
}

// TestBlackHole has a store that takes requests and never answers: each call ends by itself, and sooner with its
// context.
func TestBlackHole(t *testing.T) {
	for _, size := range []int{10, 9 << 20} {
		s := openFake(t, &answers{answer: blackHole}, custom)
		for method, call := range calls(s, size) {
			t.Run(method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					err := call(t)
					if err == nil || !strings.Contains(err.Error(), "no byte moved for 20s") || errors.Is(err, archive.ErrNotFound) {
						t.Errorf("got %v, want an error that says no byte moved", err)
					}
					if got, least, most := time.Since(start), 3*testTimeout, 3*testTimeout+3*maxBackoff; got < least || got > most {
						t.Errorf("got the end after %s, want %s to %s", got, least, most)
					}
				})
			})
		}
	}
}

func TestBlackHoleContext(t *testing.T) {
	for _, size := range []int{10, 9 << 20} {
		s := openFake(t, &answers{answer: blackHole}, custom)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			err := s.Put(ctx, "v1/a", bytes.NewReader(make([]byte, size)), archive.PutOptions{})
			if got := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || got != time.Second {
				t.Errorf("Put of %d bytes = %v after %s, want context.DeadlineExceeded after 1s", size, err, got)
			}
		})
	}
}

// TestSlowIsNoStall moves a body of an hour, a little every ten seconds.
func TestSlowIsNoStall(t *testing.T) {
	transport := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
		buf := make([]byte, 10)
		for {
			select {
			case <-time.After(10 * time.Second):
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
			if _, err := req.Body.Read(buf); err != nil {
				return reply(200, ""), nil
			}
		}
	}}
	s := openFake(t, transport, custom)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := putBytes(t, s, 3600, archive.PutOptions{}); err != nil || len(transport.seen("", "")) != 1 {
			t.Errorf("slow Put = %v after %d tries, want nil after 1", err, len(transport.seen("", "")))
		}
		if got := time.Since(start); got < time.Hour {
			t.Errorf("slow Put took %s, want an hour or more", got)
		}
	})
}

// stallingBody gives its text and then nothing more until the request ends.
type stallingBody struct {
	ctx context.Context
	io.Reader
}

func (b *stallingBody) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err != io.EOF {
		return n, err
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (b *stallingBody) Close() error { return nil }

func TestStalledDownload(t *testing.T) {
	transport := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
		resp := reply(200, "0123456789")
		resp.ContentLength = 20
		resp.Body = &stallingBody{ctx: req.Context(), Reader: resp.Body}
		return resp, nil
	}}
	s := openFake(t, transport, custom)
	synctest.Test(t, func(t *testing.T) {
		body, _, err := s.Get(t.Context(), "v1/a", archive.Range{})
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // a reader that is slow itself; the bubble's time
		start := time.Now()
		rest, err := io.ReadAll(body)
		if string(rest) != "56789" || err == nil || !strings.Contains(err.Error(), "no byte moved for 20s") {
			t.Errorf("Read = %q, %v, want the rest and an error that says no byte moved", rest, err)
		}
		if got := time.Since(start); got != testTimeout {
			t.Errorf("Read ended after %s, want %s", got, testTimeout)
		}
	})
}

func TestConflict(t *testing.T) {
	tests := []struct {
		name      string
		size      int
		conflicts int
		ok        bool
		uploads   int // requests that would have made the object
	}{
		{"small, once", 10, 1, true, 2},
		{"small, for ever", 10, 100, false, conflictTries},
		{"large, once", 9 << 20, 1, true, 2},
		{"large, for ever", 9 << 20, 100, false, conflictTries},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			left := tt.conflicts
			transport := &answers{answer: multipart(func(req *http.Request) *http.Response {
				if req.Header.Get("If-None-Match") == "" || left == 0 {
					return nil
				}
				left--
				return refusal(409, codeConflict)
			})}
			s := openFake(t, transport, custom)
			synctest.Test(t, func(t *testing.T) {
				err := putBytes(t, s, tt.size, archive.PutOptions{IfAbsent: true})
				if (err == nil) != tt.ok || errors.Is(err, archive.ErrExists) {
					t.Errorf("Put = %v, want success %t", err, tt.ok)
				}
				makes := 0
				for _, r := range transport.seen("", "") {
					if r.header.Get("If-None-Match") == "*" {
						makes++
					}
				}
				if makes != tt.uploads {
					t.Errorf("got %d conditional requests, want %d", makes, tt.uploads)
				}
				if got, want := len(transport.seen("POST", "uploads")), len(transport.seen("PUT", "partNumber=2")); got != want {
					t.Errorf("got %d uploads begun with %d second parts, want the same", got, want)
				}
			})
		})
	}
}

// TestAbort breaks a large upload at each step: the parts are taken back, also when the context has ended.
func TestAbort(t *testing.T) {
	tests := []struct {
		name string
		at   func(*http.Request) bool
		want int // aborts
	}{
		{"at its begin", func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, 0},
		{"at a part", func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }, 1},
		{"at its end", func(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploadId") }, 1},
	}
	for _, tt := range tests {
		for _, ends := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			transport := &answers{answer: multipart(func(req *http.Request) *http.Response {
				if !tt.at(req) {
					return nil
				}
				if ends {
					cancel()
				}
				return refusal(403, "AccessDenied")
			})}
			s := openFake(t, transport, custom)
			err := s.Put(ctx, "v1/a", bytes.NewReader(make([]byte, 9<<20)), archive.PutOptions{})
			if err == nil || errors.Is(err, context.Canceled) != ends {
				t.Errorf("%s: Put = %v, want an error, of the context %t", tt.name, err, ends)
			}
			if got := len(transport.seen("DELETE", "uploadId=u1")); got != tt.want {
				t.Errorf("%s, context ends %t: got %d aborts, want %d", tt.name, ends, got, tt.want)
			}
			cancel()
		}
	}
}
