package s3

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func TestRangeHeader(t *testing.T) {
	tests := []struct {
		r    archive.Range
		want string
	}{
		{archive.Range{}, ""},
		{archive.Range{Length: 1}, "bytes=0-0"},
		{archive.Range{Offset: 5}, "bytes=5-"},
		{archive.Range{Offset: 5, Length: 10}, "bytes=5-14"},
		{archive.Range{Offset: -5}, "bytes=-5"},
		{archive.Range{Offset: -5, Length: 2}, "bytes=-5"},
		{archive.Range{Offset: 6, Length: math.MaxInt64}, "bytes=6-"},
		{archive.Range{Offset: math.MaxInt64}, "bytes=9223372036854775807-"},
		{archive.Range{Offset: math.MinInt64}, "bytes=-9223372036854775808"},
	}
	for _, tt := range tests {
		got := ""
		if h := header(tt.r); h != nil {
			got = *h
		}
		if got != tt.want {
			t.Errorf("header(%+v) = %q, want %q", tt.r, got, tt.want)
		}
	}
}

func TestGetOddAnswers(t *testing.T) {
	whole := reply
	tests := []struct {
		name   string
		r      archive.Range
		answer func(req *http.Request) *http.Response
		body   string
		size   int64
		err    error
	}{
		{"range is ignored", archive.Range{Offset: 2, Length: 3},
			func(*http.Request) *http.Response { return whole(200, "0123456789") }, "", 0, errors.ErrUnsupported},
		{"suffix is ignored", archive.Range{Offset: -3},
			func(*http.Request) *http.Response { return whole(200, "0123456789") }, "", 0, errors.ErrUnsupported},
		{"range of the whole without a status of its own", archive.Range{Length: 20},
			func(*http.Request) *http.Response { return whole(200, "0123456789") }, "0123456789", 10, nil},
		{"suffix of the whole without a status of its own", archive.Range{Offset: -20},
			func(*http.Request) *http.Response { return whole(200, "0123456789") }, "0123456789", 10, nil},
		{"size stands in the range", archive.Range{Offset: 2, Length: 3},
			func(*http.Request) *http.Response {
				return whole(206, "234", "Content-Range", "bytes 2-4/10")
			}, "234", 10, nil},
		{"past the end", archive.Range{Offset: 20},
			func(*http.Request) *http.Response {
				resp := refusal(416, codeInvalidRange)
				resp.Header.Set("Content-Range", "bytes */10")
				return resp
			}, "", 10, nil},
		{"past the end, size by another request", archive.Range{Offset: 20},
			func(req *http.Request) *http.Response {
				if req.Method == http.MethodHead {
					return reply(200, "", "Content-Length", "10")
				}
				return refusal(416, codeInvalidRange)
			}, "", 10, nil},
		{"past the end, and gone since", archive.Range{Offset: 20},
			func(req *http.Request) *http.Response {
				if req.Method == http.MethodHead {
					return reply(404, "")
				}
				return refusal(416, codeInvalidRange)
			}, "", 0, archive.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openFake(t, &answers{answer: func(_ int, req *http.Request) (*http.Response, error) {
				return tt.answer(req), nil
			}}, custom)
			body, obj, err := s.Get(t.Context(), "v1/a", tt.r)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("Get = %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			got, err := io.ReadAll(body)
			if string(got) != tt.body || obj.Size != tt.size || err != nil {
				t.Errorf("Get gave %q of %d bytes, %v, want %q of %d bytes, nil", got, obj.Size, err, tt.body, tt.size)
			}
		})
	}
}

// page returns a page of a list, with a token where more follows.
func page(more string, keys ...string) *http.Response {
	var b strings.Builder
	b.WriteString("<ListBucketResult>")
	if more != "" {
		fmt.Fprintf(&b, "<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>", more)
	}
	for _, key := range keys {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>%d</Size></Contents>", key, len(key))
	}
	b.WriteString("</ListBucketResult>")
	return reply(200, b.String())
}

func TestListPages(t *testing.T) {
	tests := []struct {
		name  string
		pages []*http.Response
		want  string
		err   string
	}{
		{"one", []*http.Response{page("", "p/v1/a", "p/v1/b")}, "v1/a v1/b", ""},
		{"two", []*http.Response{page("t", "p/v1/a"), page("", "p/v1/b")}, "v1/a v1/b", ""},
		{"an empty one between", []*http.Response{page("t", "p/v1/a"), page("u"), page("", "p/v1/b")}, "v1/a v1/b", ""},
		{"trouble on the second", []*http.Response{page("t", "p/v1/a"), refusal(403, "AccessDenied")}, "v1/a", "AccessDenied"},
		{"out of order", []*http.Response{page("", "p/v1/b", "p/v1/a")}, "v1/b", `gave "v1/a" behind "v1/b"`},
		{"the same page again", []*http.Response{page("t", "p/v1/a"), page("t", "p/v1/a")}, "v1/a", `gave "v1/a" behind "v1/a"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openFake(t, &answers{answer: func(n int, _ *http.Request) (*http.Response, error) {
				return tt.pages[n-1], nil
			}}, custom)
			var got []string
			var last error
			for obj, err := range s.List(t.Context(), "v1/", "") {
				if last = err; err == nil {
					got = append(got, string(obj.Key))
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %s", got, tt.want)
			}
			if (last == nil) != (tt.err == "") || last != nil && !strings.Contains(last.Error(), tt.err) {
				t.Errorf("got error %v, want one with %q", last, tt.err)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	together := func(resp func() *http.Response) func(int, *http.Request) (*http.Response, error) {
		return func(_ int, req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				return resp(), drain(req)
			}
			return reply(204, ""), nil
		}
	}
	result := func(code string) func() *http.Response {
		return func() *http.Response {
			return reply(200, "<DeleteResult><Error><Key>p/v1/a</Key><Code>"+code+"</Code></Error></DeleteResult>")
		}
	}
	tests := []struct {
		name   string
		answer func() *http.Response
		keys   int
		posts  int // of two calls
		single int
		err    string
	}{
		{"one", func() *http.Response { return nil }, 1, 0, 2, ""},
		{"many", func() *http.Response { return reply(200, "<DeleteResult></DeleteResult>") }, 2001, 6, 2, ""},
		{"one of them absent", result(codeNoSuchKey), 3, 2, 0, ""},
		{"one of them locked", result("AccessDenied"), 3, 2, 0, "AccessDenied"},
		{"not implemented", func() *http.Response { return refusal(501, codeNotImplemented) }, 3, 1, 6, ""},
		{"wants another checksum", func() *http.Response { return refusal(400, "MissingContentMD5") }, 3, 1, 6, ""},
		{"forbidden", func() *http.Response { return refusal(403, "AccessDenied") }, 3, 2, 0, "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transport := &answers{answer: together(tt.answer)}
			s := openFake(t, transport, custom)
			var keys []archive.Key
			for i := range tt.keys {
				keys = append(keys, archive.Key(fmt.Sprintf("v1/%d", i)))
			}
			for range 2 {
				err := s.Delete(t.Context(), append(keys, keys[0])...)
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Delete = %v, want an error with %q", err, tt.err)
				}
			}
			if got := len(transport.seen("POST", "delete")); got > tt.posts {
				t.Errorf("got %d requests for many, want %d", got, tt.posts)
			}
			if got := len(transport.seen("DELETE", "/v1/")); got != tt.single {
				t.Errorf("got %d requests for one, want %d", got, tt.single)
			}
		})
	}
}

// TestSuffixIsRefused has stores that refuse the last bytes of an object where they are more than it has. It is not
// empty for that.
func TestSuffixIsRefused(t *testing.T) {
	const text = "0123456789"
	for _, told := range []bool{true, false} { // whether the refusal says how long the object is
		for _, test := range []struct {
			object string
			r      archive.Range
			want   string
		}{
			{text, archive.Range{Offset: -100}, text},
			{text, archive.Range{Offset: -100, Length: 3}, "012"},
			{text, archive.Range{Offset: -10}, text},
			{text, archive.Range{Offset: -4}, "6789"},
			{text, archive.Range{Offset: -4, Length: 2}, "67"},
			{"", archive.Range{Offset: -4}, ""},
		} {
			a := &answers{answer: func(_ int, req *http.Request) (*http.Response, error) { return strictly(req, test.object, told), nil }}
			body, object, err := openFake(t, a, custom).Get(t.Context(), "v1/a", test.r)
			if err != nil {
				t.Errorf("size told %v: Get(%+v) of %q = %v, want nil", told, test.r, test.object, err)
				continue
			}
			got, err := io.ReadAll(body)
			if string(got) != test.want || err != nil || object.Size != int64(len(test.object)) {
				t.Errorf("size told %v: Get(%+v) of %q gave %q of %d bytes, %v, want %q", told, test.r, test.object, got, object.Size, err, test.want)
			}
		}
	}
}

// strictly answers as a store that takes no range that leads out of the object.
func strictly(req *http.Request, object string, tellsSize bool) *http.Response {
	if req.Method == http.MethodHead {
		resp := reply(200, "")
		resp.ContentLength = int64(len(object))
		resp.Header.Set("Content-Length", fmt.Sprint(len(object)))
		return resp
	}
	asked := req.Header.Get("Range")
	if asked == "" {
		return reply(200, object)
	}
	var from, to int
	if n, _ := fmt.Sscanf(asked, "bytes=%d-%d", &from, &to); n < 2 {
		to = len(object) - 1
	}
	if from < 0 {
		from += len(object)
	}
	if from < 0 || from >= len(object) {
		resp := refusal(416, codeInvalidRange)
		if tellsSize {
			resp.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", len(object)))
		}
		return resp
	}
	return reply(206, object[from:to+1], "Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(object)))
}
