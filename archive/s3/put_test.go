package s3

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestPutHeaders(t *testing.T) {
	for _, endpoint := range []string{"", custom, "http://s3.example.com"} {
		transport := &answers{answer: always(200, "")}
		s := openFake(t, transport, endpoint)
		err := s.Put(t.Context(), "v1/a", strings.NewReader("123456789"), archive.PutOptions{IfAbsent: true, ContentType: "application/zstd"})
		if err != nil {
			t.Fatalf("%q: Put = %v, want nil", endpoint, err)
		}
		got := transport.seen("PUT", "/v1/a")[0]
		for name, want := range map[string]string{
			"X-Amz-Checksum-Crc32": "y/Q5Jg==", // of 123456789: cbf43926
			"If-None-Match":        "*",
			"Content-Type":         "application/zstd",
			"Content-Encoding":     "",
			"X-Amz-Trailer":        "",
		} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%q: header %s: got %q, want %q", endpoint, name, got, want)
			}
		}
		if got.size != 9 {
			t.Errorf("%q: got a body of %d bytes, want 9", endpoint, got.size)
		}
	}
}

// TestMarks: encryption and tags go along with every object, the storage class with logs, in one request or in parts.
func TestMarks(t *testing.T) {
	all := Config{
		Encryption: "aws:kms", KMSKey: "alias/logs", StorageClass: "STANDARD_IA", Tags: map[string]string{"team": "a b", "cost": "7"},
	}
	want := map[string]string{
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/logs",
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Tagging": "cost=7&team=a+b",
	}
	for _, tt := range []struct {
		key     archive.Key
		size    int64
		request string // whose headers count: method and part of the target
		with    Config
		class   bool
	}{
		{"v1/a/main.0.log.zst", 10, "PUT main", all, true},
		{"v1/a/main.0.log.zst", 20 << 20, "POST uploads", all, true},
		{"v1/a/manifest.json", 10, "PUT manifest", all, false},
		{"v1/_journal/r/1", 10, "PUT _journal", all, false},
		{"v1/a/main.0.log.zst", 10, "PUT main", Config{}, false},
	} {
		transport := &answers{answer: multipart(usual)}
		s := openFake(t, transport, "")
		s.bucket.marks = newMarks(tt.with)
		if err := s.Put(t.Context(), tt.key, io.NewSectionReader(zeros{}, 0, tt.size), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		method, target, _ := strings.Cut(tt.request, " ")
		got := transport.seen(method, target)[0].header
		for name, want := range want {
			if tt.with.Encryption == "" || name == "X-Amz-Storage-Class" && !tt.class {
				want = ""
			}
			if got.Get(name) != want {
				t.Errorf("%s of %d bytes: header %s: got %q, want %q", tt.key, tt.size, name, got.Get(name), want)
			}
		}
	}
}

// zeros is a body of any length.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// TestPartHeaders: AWS gets a checksum behind each part, others get none of that framing but a digest before it.
func TestPartHeaders(t *testing.T) {
	const zeros4MiB = "tc+p1sj+vWGPkawoQ9UKHA=="
	for _, tt := range []struct{ name, endpoint, trailer, digest string }{
		{"AWS", "", "x-amz-checksum-crc32", ""},
		{"custom", custom, "", zeros4MiB},
	} {
		transport := &answers{answer: multipart(usual)}
		s := openFake(t, transport, tt.endpoint)
		if err := putBytes(t, s, 20<<20, archive.PutOptions{IfAbsent: true, ContentType: "application/zstd"}); err != nil {
			t.Fatalf("%s: Put = %v, want nil", tt.name, err)
		}
		parts := transport.seen("PUT", "partNumber")
		if len(parts) != 3 {
			t.Errorf("%s: got %d parts, want 3", tt.name, len(parts))
		}
		for _, part := range parts {
			if got := part.header.Get("X-Amz-Trailer"); got != tt.trailer {
				t.Errorf("%s: got trailer %q, want %q", tt.name, got, tt.trailer)
			}
		}
		if got := transport.seen("PUT", "partNumber=3")[0].header.Get("Content-Md5"); got != tt.digest {
			t.Errorf("%s: got digest %q of the last part, want %q", tt.name, got, tt.digest)
		}
		if got, want := transport.seen("POST", "uploads")[0].header.Get("Content-Type"), "application/zstd"; got != want {
			t.Errorf("%s: got content type %q, want %q", tt.name, got, want)
		}
		if got, want := transport.seen("POST", "uploadId")[0].header.Get("If-None-Match"), "*"; got != want {
			t.Errorf("%s: got If-None-Match %q at the end, want %q", tt.name, got, want)
		}
	}
}

// TestChecksumHeaderRefused: some stores refuse any header of that kind. A digest goes in its place, and from then on
// at once; what is refused for another reason is refused as before.
func TestChecksumHeaderRefused(t *testing.T) {
	transport := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if sum := md5.Sum(body); req.Header.Get("Content-Md5") == base64.StdEncoding.EncodeToString(sum[:]) {
			return reply(200, ""), err
		}
		return refusal(400, "InvalidArgument"), err
	}}
	s := openFake(t, transport, custom)
	for n := range 3 {
		if err := putBytes(t, s, 5, archive.PutOptions{IfAbsent: true}); err != nil {
			t.Fatalf("Put = %v, want nil", err)
		}
		if got, want := len(transport.seen("PUT", "")), n+2; got != want {
			t.Errorf("got %d requests, want %d: one was refused, once", got, want)
		}
	}
	last := transport.seen("PUT", "")[3].header
	if last.Get("Content-Md5") == "" || last.Get("X-Amz-Checksum-Crc32") != "" || last.Get("If-None-Match") != "*" {
		t.Errorf("got headers %v, want a digest and the condition", last)
	}
	transport = &answers{answer: always(400, "InvalidArgument")}
	s = openFake(t, transport, custom)
	if err := putBytes(t, s, 5, archive.PutOptions{}); err == nil || s.bucket.unsummed.Load() {
		t.Errorf("got %v, and checksums left out: %t; want the refusal, and them left in", err, s.bucket.unsummed.Load())
	}
}

// TestPutSizes finds where one request becomes many.
func TestPutSizes(t *testing.T) {
	for _, tt := range []struct{ size, parts int }{
		{0, 0}, {1, 0}, {defaultPartSize, 0}, {defaultPartSize + 1, 2}, {2 * defaultPartSize, 2}, {2*defaultPartSize + 1, 3},
	} {
		transport := &answers{answer: multipart(usual)}
		s := openFake(t, transport, custom)
		if err := putBytes(t, s, tt.size, archive.PutOptions{}); err != nil {
			t.Fatalf("Put of %d bytes = %v, want nil", tt.size, err)
		}
		if got := len(transport.seen("PUT", "partNumber")); got != tt.parts {
			t.Errorf("Put of %d bytes: got %d parts, want %d", tt.size, got, tt.parts)
		}
	}
}

// TestPutIsFlat puts a large file and counts what is allocated on the way.
func TestPutIsFlat(t *testing.T) {
	const size, limit = 128 << 20, 4 << 20
	file, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	bodies := map[string]io.ReadSeeker{"file": file, "only seeks": struct{ io.ReadSeeker }{file}}
	for name, body := range bodies {
		var moved int64
		transport := &answers{answer: multipart(func(req *http.Request) *http.Response { return nil })}
		s := openFake(t, transport, custom)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := s.Put(t.Context(), "v1/a", body, archive.PutOptions{}); err != nil {
			t.Fatalf("%s: Put = %v, want nil", name, err)
		}
		runtime.ReadMemStats(&after)
		for _, part := range transport.seen("PUT", "partNumber") {
			moved += part.size
		}
		if moved != size {
			t.Errorf("%s: got %d bytes in parts, want %d", name, moved, size)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > limit {
			t.Errorf("%s: Put of %d bytes allocated %d bytes, want at most %d", name, size, got, limit)
		} else {
			t.Logf("%s: Put of %d bytes allocated %d bytes", name, size, got)
		}
	}
}

// TestUploadLooksFirst: a store that is not AWS may pass over the condition where a body goes up in parts, whatever it
// does with others.
func TestUploadLooksFirst(t *testing.T) {
	for _, test := range []struct {
		name, endpoint string
		head           int // status; 0: is not asked
		want           error
		completed      int
	}{
		{"AWS", "", 0, nil, 1},
		{"the key is free", custom, 404, nil, 1},
		{"the key is taken", custom, 200, archive.ErrExists, 0},
		{"nobody knows", custom, 403, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			transport := &answers{answer: multipart(func(req *http.Request) *http.Response {
				if req.Method == http.MethodHead {
					return reply(test.head, "")
				}
				return nil
			})}
			err := putBytes(t, openFake(t, transport, test.endpoint), 20<<20, archive.PutOptions{IfAbsent: true})
			if test.want != nil && !errors.Is(err, test.want) || (err == nil) != (test.completed == 1) || test.head == 403 && errors.Is(err, archive.ErrExists) {
				t.Errorf("got error %v, want %v", err, test.want)
			}
			if got := len(transport.seen(http.MethodPost, "uploadId")); got != test.completed {
				t.Errorf("got %d completions, want %d", got, test.completed)
			}
			if got := len(transport.seen(http.MethodHead, "")) > 0; got != (test.head != 0) {
				t.Errorf("looked %v, want %v", got, test.head != 0)
			}
			if got := len(transport.seen(http.MethodDelete, "uploadId")); got != 1-test.completed {
				t.Errorf("got %d uploads given back, want %d", got, 1-test.completed)
			}
		})
	}
	transport := &answers{answer: multipart(usual)}
	if err := putBytes(t, openFake(t, transport, custom), 20<<20, archive.PutOptions{}); err != nil || len(transport.seen(http.MethodHead, "")) > 0 {
		t.Errorf("without a condition: got %v after %d looks, want none", err, len(transport.seen(http.MethodHead, "")))
	}
}
