package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// listing is a store that lists names as S3 does: encoded if that is asked for, else raw.
func listing(encodes bool, names ...string) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, req *http.Request) (*http.Response, error) {
		body := "<ListBucketResult><IsTruncated>false</IsTruncated>"
		encode := encodes && req.URL.Query().Get("encoding-type") == "url"
		if encode {
			body += "<EncodingType>url</EncodingType>"
		}
		for _, name := range names {
			if encode {
				name = strings.ReplaceAll(url.QueryEscape(name), "%2F", "/")
			} else {
				var b strings.Builder
				_ = xml.EscapeText(&b, []byte(name)) // a Builder takes all
				name = b.String()
			}
			body += "<Contents><Key>" + name + "</Key><Size>1</Size></Contents>"
		}
		return reply(200, body+"</ListBucketResult>"), nil
	}
}

// TestListDecodes: names come back as they were put, from stores that encode them and from those that do not.
func TestListDecodes(t *testing.T) {
	plain := []string{"p/v1/a b", "p/v1/a%2Fb", "p/v1/a+b", "p/v1/ü"}
	odd := append([]string{"p/v1/\x01"}, plain...)
	for _, test := range []struct {
		name         string
		encodes      bool
		names, wants []string
	}{
		{"a store that encodes", true, odd, odd},
		{"a store that does not", false, odd, plain}, // what it cannot write is none of ours
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openFake(t, &answers{answer: listing(test.encodes, test.names...)}, custom)
			var got []string
			for o, err := range s.List(t.Context(), "v1/", "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, "p/"+string(o.Key))
			}
			if !slices.Equal(got, test.wants) {
				t.Errorf("got %q, want %q", got, test.wants)
			}
		})
	}
}

// TestDeleteNamesNoOther: a name that XML has no letters for is deleted by itself. The encoder would have asked for
// another object's end.
func TestDeleteNamesNoOther(t *testing.T) {
	a := &answers{answer: always(204, "")}
	s := openFake(t, a, custom)
	if err := s.Delete(t.Context(), "v1/\x01", archive.Key("v1/\uffff"), "v1/b"); err != nil {
		t.Fatal(err)
	}
	if got := a.seen(http.MethodPost, ""); len(got) > 0 {
		t.Errorf("got %d requests for many objects, want each deleted by itself", len(got))
	}
	for _, target := range []string{"/v1/%01", "/v1/%EF%BF%BF", "/v1/b"} {
		if got := a.seen(http.MethodDelete, target); len(got) != 1 {
			t.Errorf("%s: got %d requests, want 1", target, len(got))
		}
	}
}

// TestPutRefusesUnwritable: before the store could take what it then cannot list.
func TestPutRefusesUnwritable(t *testing.T) {
	a := &answers{answer: always(200, "")}
	for _, key := range []archive.Key{"v1/\x01", "v1/\uffff", "v1/\ufffd", "v1/\xff"} {
		if err := openFake(t, a, custom).Put(t.Context(), key, strings.NewReader("x"), archive.PutOptions{}); err == nil {
			t.Errorf("Put(%q) = nil, want it refused", key)
		}
	}
	if got := len(a.requests); got > 0 {
		t.Errorf("got %d requests, want none", got)
	}
}
