package serve

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// logRequest is what a request for a log asks for.
type logRequest struct {
	query  archive.Query
	format string      // formatText, …
	stamps bool        // text: each line begins with its time
	prefix bool        // text: each line begins with its pod and container
	scope  *scope      // of a workload; nil for what is of one namespace
	place  *wire.Place // sse: where the reader is
	tell   func()      // sse: tells the place; nil: there is no answer yet
}

// begun notes where logs begin in the answer, and tells it at once: whoever is cut off before the first line has to
// know it.
func (l *logRequest) begun(lines map[archive.LogID]int64) {
	l.place.Begun(lines)
	if l.tell != nil {
		l.tell()
	}
}

// The forms of an answer, as the parameter format names them.
const (
	formatText   = "text"
	formatNDJSON = "ndjson"
	formatSSE    = "sse"
	formatZenML  = "zenml"
)

// parseLog reads the parameters of a request for a log. Names are those of PodLogOptions, where it has them.
func parseLog(r *http.Request, target archive.Target, now time.Time) (*logRequest, error) {
	p := newParams(r.URL.RawQuery, now)
	switch {
	case target.Job != "":
		uid, _ := p.text("uid")
		target.JobUID = archive.JobUID(uid)
	case target.Pod != "":
		uid, _ := p.text("uid")
		target.PodUID = archive.PodUID(uid)
	default:
		target.Namespace, _ = p.text("namespace")
	}
	l := &logRequest{query: archive.Query{Target: target}}
	q := &l.query
	q.Containers = p.list("container")
	q.Follow = p.flag("follow")
	l.stamps, l.prefix = p.flag("timestamps"), p.flag("prefix")
	q.Which = p.which()
	if n := p.number("attempt", -1_000_000, 1_000_000); n != nil {
		q.Attempt = int(*n)
	}
	if n := p.number("restart", 0, math.MaxInt32); n != nil {
		q.Restart = new(int(*n))
	}
	q.Since, q.Until = p.since(), p.moment("until")
	q.Tail = p.number("tailLines", 0, wire.MaxNumber)
	if n := p.number("limitBytes", 1, wire.MaxNumber); n != nil {
		q.LimitBytes = *n
	}
	if from, to, ok := p.span("lines", 1); ok {
		q.FirstLine, q.LastLine = from, max(to, 0)
	}
	if from, to, ok := p.span("bytes", 0); ok {
		q.FromByte, q.ToByte = from, to+1 // of an open end -1: 0, no bound
	}
	q.Grep = p.grep()
	p.word("stream", "All")
	l.format = p.format(r.Header)
	l.place = p.resume(r.Header)
	if l.place.Given() {
		q.After, q.Whole, q.Mark = maps.Clone(l.place.Lines), l.place.Whole, l.place.Mark
	}
	p.fits(l)
	if err := p.finish(); err != nil {
		return nil, err
	}
	return l, asParameter(q.Validate())
}

func (p *params) which() archive.Which {
	previous, newest := p.flag("previous"), p.flag("newest")
	switch {
	case previous && newest:
		p.bad("newest", "true", "false together with previous")
	case previous:
		return archive.Previous
	case newest:
		return archive.Newest
	}
	return archive.Every
}

// since reads the three names that a start in time has: PodLogOptions' two, and kubectl's.
func (p *params) since() time.Time {
	seconds, moment := p.number("sinceSeconds", 1, 9_000_000_000), p.moment("since")
	text, given := p.text("sinceTime")
	var start time.Time
	switch {
	case seconds != nil:
		if given || !moment.IsZero() {
			p.bad("sinceSeconds", p.values.Get("sinceSeconds"), "none together with sinceTime or since")
		}
		start = p.now.Add(-time.Duration(*seconds) * time.Second)
	case given:
		if !moment.IsZero() {
			p.bad("sinceTime", text, "none together with since")
		}
		start = p.time("sinceTime", text, "a time as 2026-11-23T10:00:00Z")
	default:
		start = moment
	}
	return start
}

func (p *params) grep() *archive.Grep {
	pattern, ok := p.text("grep")
	g := &archive.Grep{Pattern: pattern, Fixed: p.flag("fixed"), Fold: p.flag("ignoreCase"), Invert: p.flag("invert")}
	around := p.number("context", 0, archive.MaxContext)
	before, after := p.number("before", 0, archive.MaxContext), p.number("after", 0, archive.MaxContext)
	for _, n := range []*int64{around, before} {
		if n != nil {
			g.Before = int(*n)
		}
	}
	for _, n := range []*int64{around, after} {
		if n != nil {
			g.After = int(*n)
		}
	}
	if ok {
		return g
	}
	for _, name := range []string{"fixed", "ignoreCase", "invert", "context", "before", "after"} {
		if value, given := p.text(name); given {
			p.bad(name, value, "none without grep")
		}
	}
	return nil
}

// format: the parameter wins, then what the client accepts. Who accepts anything gets text.
func (p *params) format(h http.Header) string {
	if _, given := p.text("format"); given {
		return p.word("format", formatText, formatNDJSON, formatSSE, formatZenML)
	}
	for kind := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		kind, _, _ = strings.Cut(kind, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/x-ndjson", "application/jsonl", "application/x-jsonl":
			return formatNDJSON
		case "text/event-stream":
			return formatSSE
		case "text/plain", "text/*", "*/*":
			return formatText
		}
	}
	return formatText
}

const resumeWant = "an id that this API gave with a line"

// resume reads where an earlier answer to the same question stopped: what a browser sends, or the parameter.
func (p *params) resume(h http.Header) *wire.Place {
	name := "resume"
	value, ok := p.text(name)
	if !ok {
		name, value = wire.LastEventID, h.Get(wire.LastEventID)
	}
	if value == "" {
		return wire.NewPlace()
	}
	at, err := wire.ParsePlace(value)
	if err != nil {
		p.bad(name, value, resumeWant)
		return wire.NewPlace()
	}
	return at
}

// fits checks what single parameters cannot show.
func (p *params) fits(l *logRequest) {
	if l.format != formatText {
		for _, name := range []string{"timestamps", "prefix"} {
			if p.flag(name) {
				p.bad(name, "true", "false with format="+l.format+", whose lines have both")
			}
		}
	}
	if l.format == formatZenML {
		if l.query.Follow {
			p.bad("follow", "true", "false with format=zenml, which has an end")
		}
		if l.query.After != nil {
			p.bad("resume", "", "none with format=zenml")
		}
	}
}

// asParameter says which parameter a field of a query came from.
func asParameter(err error) error {
	var bad *archive.QueryError
	if !errors.As(err, &bad) {
		return err
	}
	names := map[string]string{
		"Pattern": "grep", "Before": "before", "After": "after", "Until": "until", "LastLine": "lines", "FirstLine": "lines",
		"FromByte": "bytes", "ToByte": "bytes", "Tail": "tailLines", "LimitBytes": "limitBytes", "JobUID": "uid", "PodUID": "uid",
		"Mark": "resume", "Workload": "workload", "Namespace": "namespace", "Job": "job", "Pod": "pod",
	}
	name := names[bad.Field]
	if name == "" {
		name = bad.Field
	}
	return badParameter(name, bad.Value, bad.Want)
}

// filtered reports whether the answer may leave out lines of the logs.
func (l *logRequest) filtered() bool {
	q := &l.query
	return q.Grep != nil || q.Tail != nil || !q.Since.IsZero() || !q.Until.IsZero() || slices.Max([]int64{q.FirstLine, q.LastLine, q.FromByte, q.ToByte, q.LimitBytes}) > 0
}
