package s3

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestTranslate(t *testing.T) {
	sentinels := []error{archive.ErrNotFound, archive.ErrExists, archive.ErrKey, errors.ErrUnsupported}
	tests := []struct {
		name   string
		answer *http.Response
		want   error // nil: none of the sentinels
	}{
		{"absent object", refusal(404, "NoSuchKey"), archive.ErrNotFound},
		{"absent bucket", refusal(404, "NoSuchBucket"), nil},
		{"404 of a proxy", reply(404, "<html>default backend</html>", "Content-Type", "text/html"), nil},
		{"404 without a body", reply(404, ""), nil},
		{"forbidden", refusal(403, "AccessDenied"), nil},
		{"keys that expired", refusal(400, "ExpiredToken"), nil},
		{"condition failed", refusal(412, "PreconditionFailed"), archive.ErrExists},
		{"condition failed, by another name", refusal(412, "InvalidRequest"), archive.ErrExists},
		{"condition failed, without a word", reply(412, ""), archive.ErrExists},
		{"upload that is gone", refusal(404, "NoSuchUpload"), nil},
		{"folder in the way", refusal(409, "ObjectParentIsFile"), nil},
		{"a name that is too long", refusal(400, "KeyTooLongError"), archive.ErrKey},
		{"a name that is too long, to MinIO", refusal(400, "XMinioInvalidObjectName"), archive.ErrKey},
		{"not implemented", refusal(501, "NotImplemented"), errors.ErrUnsupported},
		{"moved", refusal(301, "PermanentRedirect"), nil},
		{"slow down", refusal(503, "SlowDown"), nil},
		{"internal", refusal(500, "InternalError"), nil},
		{"bad gateway", reply(502, "<html>", "Content-Type", "text/html"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := make([]byte, 500)
			n, _ := tt.answer.Body.Read(body)
			transport := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
				return reply(tt.answer.StatusCode, string(body[:n])), drain(req)
			}}
			s := openFake(t, transport, custom)
			synctest.Test(t, func(t *testing.T) {
				for _, method := range []string{"Put", "Get"} {
					err := calls(s, 10)[method](t)
					if err == nil {
						t.Fatalf("%s = nil, want an error", method)
					}
					for _, sentinel := range sentinels {
						if got, want := errors.Is(err, sentinel), sentinel == tt.want; got != want {
							t.Errorf("%s = %v: got errors.Is(%q) %t, want %t", method, err, sentinel, got, want)
						}
					}
				}
			})
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/none")
	t.Setenv("AWS_REGION", "")
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"no bucket", Config{}, `bucket is "", want the bare name of a bucket`},
		{"URL as bucket", Config{Bucket: "s3://b/p"}, `bucket is "s3://b/p", want the bare name of a bucket`},
		{"endpoint without a scheme", Config{Bucket: "b", Endpoint: "minio:9000"}, `endpoint is "minio:9000", want a URL as https://host:port`},
		{"endpoint of another kind", Config{Bucket: "b", Endpoint: "ftp://x"}, `endpoint is "ftp://x", want a URL as https://host:port`},
		{"timeout", Config{Bucket: "b", Timeout: -1}, "timeout is -1ns, want more than 0"},
		{"concurrency", Config{Bucket: "b", Concurrency: -2}, "concurrency is -2, want 1 or more"},
		{"part size", Config{Bucket: "b", PartSize: 5 << 10}, "part size is 5120 bytes, want 5242880 or more"},
		{"no region", Config{Bucket: "b"}, "region is empty, want the bucket's region in the settings or in AWS_REGION"},
		{"no CA file", Config{Bucket: "b", Region: "r", CAFile: "/none/ca.pem"}, "CA file: open /none/ca.pem: no such file or directory"},
		{"CA file of something else", Config{Bucket: "b", Region: "r", CAFile: "s3.go"},
			"CA file s3.go holds no certificate, want PEM blocks of type CERTIFICATE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), tt.cfg)
			if want := "open store s3://" + tt.cfg.Bucket + "/: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("got %v\nwant %s", err, want)
			}
		})
	}
}

func TestPrefixAndStyle(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name, prefix, endpoint string
		style                  *bool
		want                   string
	}{
		{"by AWS's own variable", "p", "env", nil, "https://s3.example.com/bucket/p/v1/a"},
		{"by AWS's own variable, by host", "p", "env", &no, "https://bucket.s3.example.com/p/v1/a"},
		{"AWS", "p", "", nil, "https://bucket.s3.eu-central-1.amazonaws.com/p/v1/a"},
		{"AWS by path", "p", "", &yes, "https://s3.eu-central-1.amazonaws.com/bucket/p/v1/a"},
		{"custom", "p", custom, nil, "https://s3.example.com/bucket/p/v1/a"},
		{"custom by host", "p", custom, &no, "https://bucket.s3.example.com/p/v1/a"},
		{"slashes around the prefix", "/p/q/", custom, nil, "https://s3.example.com/bucket/p/q/v1/a"},
		{"no prefix", "", custom, nil, "https://s3.example.com/bucket/v1/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "access")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			if tt.endpoint == "env" {
				tt.endpoint = ""
				t.Setenv("AWS_ENDPOINT_URL_S3", custom)
			}
			var got string
			transport := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
				got = req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
				return reply(200, ""), nil
			}}
			s, err := Open(t.Context(), Config{
				Bucket: "bucket", Prefix: tt.prefix, Region: "eu-central-1", Endpoint: tt.endpoint, PathStyle: tt.style,
				HTTPClient: &http.Client{Transport: transport},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := putBytes(t, s, 3, archive.PutOptions{}); err != nil || got != tt.want {
				t.Errorf("Put asked %s, %v, want %s, nil", got, err, tt.want)
			}
		})
	}
}

// TestEmptyKeys: an empty key would make the request one for the bucket itself.
func TestEmptyKeys(t *testing.T) {
	transport := &answers{answer: always(200, "")}
	s := openFake(t, transport, custom)
	errs := map[string]error{
		"Put":    s.Put(t.Context(), "", nil, archive.PutOptions{}),
		"Delete": s.Delete(t.Context(), "v1/a", ""),
	}
	_, _, errs["Get"] = s.Get(t.Context(), "", archive.Range{})
	for method, err := range errs {
		if err == nil || len(transport.seen("", "")) > 0 {
			t.Errorf("%s of an empty key = %v after %d requests, want an error without a request", method, err, len(transport.seen("", "")))
		}
	}
}
