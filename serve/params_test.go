package serve

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func parse(t testing.TB, query string, header ...string) (*logRequest, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.URL.RawQuery = query
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return parseLog(r, archive.Target{Namespace: "jobs", Pod: "pod"}, start)
}

func TestParameters(t *testing.T) {
	ten, none := int64(10), int64(0)
	minuteAgo := start.Add(-time.Minute)
	tests := []struct {
		query string
		want  archive.Query
	}{
		{"", archive.Query{}},
		{"container=a&container=b,c", archive.Query{Containers: []string{"a", "b", "c"}}},
		{"follow", archive.Query{Follow: true}},
		{"follow=false&previous=1", archive.Query{Which: archive.Previous}},
		{"newest=true&attempt=-1", archive.Query{Which: archive.Newest, Attempt: -1}},
		{"restart=2", archive.Query{Restart: new(2)}},
		{"sinceSeconds=60", archive.Query{Since: minuteAgo}},
		{"since=1m", archive.Query{Since: minuteAgo}},
		{"sinceTime=2026-11-23T09:59:00Z", archive.Query{Since: minuteAgo}},
		{"since=2026-11-23T10:59:00%2B01:00&until=0s", archive.Query{Since: minuteAgo, Until: start}},
		{"tailLines=10", archive.Query{Tail: &ten}},
		{"tailLines=0&limitBytes=10", archive.Query{Tail: &none, LimitBytes: 10}},
		{"lines=5-7", archive.Query{FirstLine: 5, LastLine: 7}},
		{"lines=5-", archive.Query{FirstLine: 5}},
		{"bytes=0-99", archive.Query{ToByte: 100}},
		{"bytes=100-", archive.Query{FromByte: 100}},
		{"bytes=-99", archive.Query{ToByte: 100}},
		{"grep=a%2Bb&context=2&after=5", archive.Query{Grep: &archive.Grep{Pattern: "a+b", Before: 2, After: 5}}},
		{"grep=a&fixed=true&ignoreCase&invert=true", archive.Query{Grep: &archive.Grep{Pattern: "a", Fixed: true, Fold: true, Invert: true}}},
		{"uid=u", archive.Query{Target: archive.Target{PodUID: "u"}}},
	}
	for _, test := range tests {
		l, err := parse(t, test.query)
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		test.want.Target.Namespace, test.want.Target.Pod = "jobs", "pod"
		got := l.query
		if !got.Since.Equal(test.want.Since) || !got.Until.Equal(test.want.Until) {
			t.Errorf("%s: got from %s until %s, want %s until %s", test.query, got.Since, got.Until, test.want.Since, test.want.Until)
		}
		got.Since, got.Until, test.want.Since, test.want.Until = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.query, got, test.want)
		}
	}
}

// TestWrongParameters: each is named with its value and what would be right.
func TestWrongParameters(t *testing.T) {
	tests := []struct{ query, field, want string }{
		{"tailLine=5", "tailLine", `parameter tailLine is "5", want one of the parameters after, attempt, before,`},
		{"tailLines=-1", "tailLines", `parameter tailLines is "-1", want a whole number from 0 to`},
		{"tailLines=ten", "tailLines", `parameter tailLines is "ten", want a whole number`},
		{"tailLines=1&tailLines=2", "tailLines", `parameter tailLines is "1, 2", want one value`},
		{"limitBytes=0", "limitBytes", `want a whole number from 1`},
		{"follow=yes", "follow", `parameter follow is "yes", want true or false`},
		{"previous=true&newest=true", "newest", `want false together with previous`},
		{"sinceSeconds=0", "sinceSeconds", `want a whole number from 1`},
		{"sinceSeconds=5&since=1m", "sinceSeconds", `want none together with sinceTime or since`},
		{"sinceTime=2026-11-23T10:00:00Z&since=1m", "sinceTime", `want none together with since`},
		{"sinceTime=yesterday", "sinceTime", `parameter sinceTime is "yesterday", want a time as 2026-11-23T10:00:00Z`},
		{"since=-5m", "since", `want a time as 2026-11-23T10:00:00Z, or a duration before now as 90s or 2h`},
		{"since=0001-01-01T00:00:00Z", "since", `want a time`},
		{"since=1m&until=2m", "until", `want after Since`},
		{"lines=0-5", "lines", `want FROM-TO with numbers from 1 on`},
		{"lines=7-5", "lines", `want FROM-TO`},
		{"lines=5", "lines", `want FROM-TO`},
		{"lines=-", "lines", `want FROM-TO`},
		{"bytes=a-b", "bytes", `want FROM-TO with numbers from 0 on`},
		{"bytes=99999999999999999999-", "bytes", `want FROM-TO`},
		{"grep=(", "grep", `parameter grep is "(", want a regular expression in RE2 syntax`},
		{"grep=a&context=5000", "context", `want a whole number from 0 to 1000`},
		{"context=5", "context", `want none without grep`},
		{"fixed=true", "fixed", `want none without grep`},
		{"format=xml", "format", `want one of text, ndjson, sse, zenml`},
		{"format=ndjson&timestamps=true", "timestamps", `want false with format=ndjson, whose lines have both`},
		{"format=zenml&follow=true", "follow", `want false with format=zenml, which has an end`},
		{"stream=Stdout", "stream", `parameter stream is "Stdout", want one of All`},
		{"resume=1.zzz", "resume", `want an id that this API gave with a line`},
		{"a=%zz", "query", `parameter query is "a=%zz", want one of the form name=value`},
		{"uid=a/b", "uid", `want a name without slashes`},
		{"attempt=1.5", "attempt", `want a whole number`},
	}
	s := newShelf(t)
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			status := wantStatus(t, s.ask(logPath+"?"+test.query), http.StatusBadRequest, metav1.StatusReasonBadRequest)
			if !strings.Contains(status.Message, test.want) {
				t.Errorf("got %q, want it to hold %q", status.Message, test.want)
			}
			if status.Details == nil || len(status.Details.Causes) != 1 || status.Details.Causes[0].Field != test.field {
				t.Errorf("got details %+v, want the field %s", status.Details, test.field)
			}
		})
	}
}

func TestFormatByAccept(t *testing.T) {
	tests := []struct {
		accept []string
		query  string
		want   string
	}{
		{nil, "", formatText},
		{[]string{"*/*"}, "", formatText},
		{[]string{"application/x-ndjson"}, "", formatNDJSON},
		{[]string{"Text/Event-Stream; q=0.9"}, "", formatSSE},
		{[]string{"text/html", "application/jsonl, */*"}, "", formatNDJSON},
		{[]string{"text/html, */*", "text/event-stream"}, "", formatText},
		{[]string{"text/event-stream"}, "format=text", formatText},
		{[]string{"image/png"}, "", formatText},
	}
	for _, test := range tests {
		var header []string
		for _, a := range test.accept {
			header = append(header, "Accept", a)
		}
		l, err := parse(t, test.query, header...)
		if err != nil || l.format != test.want {
			t.Errorf("%v %s: got %+v, %v, want %s", test.accept, test.query, l, err, test.want)
		}
	}
}

// FuzzParameters: whatever comes is a query that the archive takes, or a Status of 400 that names a parameter.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		"", "follow=true&tailLines=5", "since=1m&until=0s&grep=a(b", "lines=1-5&bytes=-7&resume=1.AAAA", "container=a,b&format=sse&attempt=-3",
		"sinceSeconds=9000000000&limitBytes=1", "since=2562047h", "%zz", "lines=9223372036854775807-",
	} {
		f.Add(seed, "1.AA", "text/event-stream")
	}
	f.Fuzz(func(t *testing.T, query, id, accept string) {
		l, err := parse(t, query, "Last-Event-ID", id, "Accept", accept)
		if err == nil {
			if err := l.query.Validate(); err != nil {
				t.Errorf("%q is taken, and then: %v", query, err)
			}
			l.formOf()
			return
		}
		s := statusOf(err)
		if s.Code != http.StatusBadRequest || s.Details == nil || len(s.Details.Causes) != 1 || s.Details.Causes[0].Field == "" {
			t.Errorf("%q: got %v, want a Status of 400 that names a parameter", query, err)
		}
	})
}

// FuzzList: the same for the parameters of a list.
func FuzzList(f *testing.F) {
	for _, seed := range []string{"", "limit=5&continue=ZGF5Lw", "since=1h&until=2026-11-23T10:00:00Z", "verdict=lost,partial&failed&labelSelector=a%3Db", "state=running&workload=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		_, filter, err := parseJobs(r, time.Now())
		if err == nil {
			filter.wants(&wire.Job{})
			return
		}
		if s := statusOf(err); s.Code != http.StatusBadRequest {
			t.Errorf("%q: got %v, want a Status of 400", query, err)
		}
	})
}
