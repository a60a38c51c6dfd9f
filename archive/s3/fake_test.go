package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// answers is a transport that answers requests itself, without a network, so that tests can stand in bubbles of time.
// It keeps what it was asked.
type answers struct {
	answer func(n int, req *http.Request) (*http.Response, error) // n counts from 1

	mu       sync.Mutex
	requests []request // guarded by mu
}

type request struct {
	method, target string // target: path and query
	header         http.Header
	size           int64 // of the body as it stands in the header
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.requests = append(a.requests, request{req.Method, req.URL.RequestURI(), req.Header.Clone(), req.ContentLength})
	n := len(a.requests)
	a.mu.Unlock()
	return a.answer(n, req)
}

// seen returns the requests whose method and target hold the two texts.
func (a *answers) seen(method, target string) []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []request
	for _, r := range a.requests {
		if strings.Contains(r.method, method) && strings.Contains(r.target, target) {
			found = append(found, r)
		}
	}
	return found
}

// reply returns an answer; headers are name, value, name, value.
func reply(status int, body string, headers ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

func refusal(status int, code string) *http.Response {
	return reply(status, "<Error><Code>"+code+"</Code><Message>refused</Message></Error>", "Content-Type", "application/xml")
}

// always returns the same answer to every request, after it has read the request's body.
func always(status int, code string) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, req *http.Request) (*http.Response, error) {
		if err := drain(req); err != nil {
			return nil, err
		}
		if code == "" {
			return reply(status, ""), nil
		}
		return refusal(status, code), nil
	}
}

func drain(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, req.Body)
	return err
}

// blackHole never answers.
func blackHole(_ int, req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// multipart plays a store that takes uploads in parts, but gives other answers where instead gives one.
func multipart(instead func(req *http.Request) *http.Response) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, req *http.Request) (*http.Response, error) {
		if err := drain(req); err != nil {
			return nil, err
		}
		if resp := instead(req); resp != nil {
			return resp, nil
		}
		query := req.URL.Query()
		switch {
		case query.Has("uploads"):
			return reply(200, "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"), nil
		case req.Method == http.MethodPost:
			return reply(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"), nil
		case req.Method == http.MethodDelete:
			return reply(204, ""), nil
		case req.Method == http.MethodHead:
			return reply(404, ""), nil
		}
		return reply(200, "", "ETag", "e"+query.Get("partNumber")), nil
	}
}

func usual(*http.Request) *http.Response { return nil }

const testTimeout = 20 * time.Second

// openFake returns a store over the transport. With an endpoint it is one that is not AWS.
func openFake(t *testing.T, transport http.RoundTripper, endpoint string) *Store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
	s, err := Open(t.Context(), Config{
		Bucket: "b", Prefix: "p", Region: "eu-central-1", Endpoint: endpoint, Timeout: testTimeout,
		HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	return s
}

const custom = "https://s3.example.com"

// calls returns every method of the store, with a body of the given size for Put.
func calls(s *Store, size int) map[string]func(*testing.T) error {
	return map[string]func(*testing.T) error{
		"Put": func(t *testing.T) error { return putBytes(t, s, size, archive.PutOptions{}) },
		"Get": func(t *testing.T) error {
			_, _, err := s.Get(t.Context(), "v1/a", archive.Range{})
			return err
		},
		"List": func(t *testing.T) error {
			var last error
			for _, err := range s.List(t.Context(), "v1/", "") {
				last = err
			}
			return last
		},
		"Delete":        func(t *testing.T) error { return s.Delete(t.Context(), "v1/a") },
		"Delete of two": func(t *testing.T) error { return s.Delete(t.Context(), "v1/a", "v1/b") },
	}
}

func putBytes(t *testing.T, s *Store, size int, opts archive.PutOptions) error {
	return s.Put(t.Context(), "v1/a", bytes.NewReader(make([]byte, size)), opts)
}
