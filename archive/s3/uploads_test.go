package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// uploadList is S3's answer. An upload is its key and, where the store tells it, the time since its beginning.
func uploadList(now time.Time, uploads ...string) string {
	var b strings.Builder
	for i, u := range uploads {
		key, age, _ := strings.Cut(u, " ")
		began := ""
		if age != "" {
			d, _ := time.ParseDuration(age)
			began = "<Initiated>" + now.Add(-d).UTC().Format("2006-01-02T15:04:05.000Z") + "</Initiated>"
		}
		fmt.Fprintf(&b, "<Upload><Key>%s</Key><UploadId>u%d</UploadId>%s</Upload>", key, i, began)
	}
	return "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" + b.String() + "</ListMultipartUploadsResult>"
}

func TestAbortUploads(t *testing.T) {
	now := time.Now()
	list := uploadList(now, "p/v1/ns/job/uid/pod.uid/main.0.log.zst 48h", "p/v1/_journal/r/00000000000000000001 25h",
		"p/v1/ns/job/uid/pod.uid/main.1.log.zst 23h", "p/v1/ns/job/uid/pod.uid/main.2.log.zst", "p/v1/movie.mp4 48h",
		"other/v1/ns/job/uid/pod.uid/main.0.log.zst 48h", "p/v1/ns/job/uid/pod.uid/manifest.json 48h")
	tests := []struct {
		name    string
		list    *http.Response
		abort   int // status of the answer
		code    string
		want    int
		aborted []string // upload ids
		wrong   string
	}{
		{"stale ones of the archive", reply(200, list), 204, "", 3, []string{"u0", "u1", "u6"}, ""},
		{"completed meanwhile", reply(200, list), 404, codeNoSuchUpload, 3, []string{"u0", "u1", "u6"}, ""},
		{"none", reply(200, uploadList(now)), 0, "", 0, nil, ""},
		{"a store that does not list them", refusal(501, codeNotImplemented), 0, "", 0, nil, ""},
		{"no right to list", refusal(403, "AccessDenied"), 0, "", 0, nil, "list uploads"},
		{"no right to abort", reply(200, list), 403, "AccessDenied", 0, []string{"u0"}, "abort upload of v1/ns/job/uid/pod.uid/main.0.log.zst"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var aborted []string
			a := &answers{answer: func(n int, req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodGet {
					return test.list, nil
				}
				if id := req.URL.Query().Get("uploadId"); !slices.Contains(aborted, id) {
					aborted = append(aborted, id)
				}
				return always(test.abort, test.code)(n, req)
			}}
			got, err := openFake(t, a, custom).AbortUploads(t.Context(), now.Add(-24*time.Hour))
			if got != test.want || !slices.Equal(aborted, test.aborted) {
				t.Errorf("got %d, aborted %q, want %d, %q", got, aborted, test.want, test.aborted)
			}
			if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("got error %v, want %q", err, test.wrong)
			}
			for _, r := range a.seen(http.MethodGet, "uploads") {
				if !strings.Contains(r.target, "prefix=p%2Fv1%2F") {
					t.Errorf("listed %s, want it below p/v1/", r.target)
				}
			}
		})
	}
}

// TestAbortUploadsPageByPage: a store whose second page always fails has its uploads given back all the same, a page in
// each round; and one that gives the same page for ever does not keep us.
func TestAbortUploadsPageByPage(t *testing.T) {
	now := time.Now()
	open := []string{"p/v1/_journal/r/0", "p/v1/_journal/r/1", "p/v1/_journal/r/2\x01"}
	pageOf := func(n int) string {
		text := "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
		for i, key := range open[:min(n, len(open))] {
			began := now.Add(-48 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
			text += fmt.Sprintf("<Upload><Key>%s</Key><UploadId>u%d</UploadId><Initiated>%s</Initiated></Upload>", url.QueryEscape(key), i, began)
		}
		if n < len(open) {
			text += fmt.Sprintf("<IsTruncated>true</IsTruncated><NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>", url.QueryEscape(open[n-1]))
		}
		return text + "</ListMultipartUploadsResult>"
	}
	for name, second := range map[string]*http.Response{"fails": refusal(400, "InvalidArgument"), "the same": reply(200, pageOf(2))} {
		t.Run(name, func(t *testing.T) {
			var aborted []string
			a := &answers{answer: func(n int, req *http.Request) (*http.Response, error) {
				query := req.URL.Query()
				switch {
				case req.Method == http.MethodDelete:
					aborted = append(aborted, req.URL.Path)
					return reply(204, ""), nil
				case query.Has("key-marker"):
					if got := query.Get("key-marker"); got != open[1] {
						t.Errorf("went on behind %q, want %q", got, open[1])
					}
					body, _ := io.ReadAll(second.Body)
					second.Body = io.NopCloser(bytes.NewReader(body))
					return reply(second.StatusCode, string(body)), nil
				}
				return reply(200, pageOf(2)), nil
			}}
			got, err := openFake(t, a, custom).AbortUploads(t.Context(), now.Add(-24*time.Hour))
			if want := second.StatusCode == 400; (err != nil) != want || got < 2 || len(aborted) != got {
				t.Errorf("got %d, aborted %q, %v, want the first page, and an error: %v", got, aborted, err, want)
			}
		})
	}
}
