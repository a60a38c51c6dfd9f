package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// form is how an answer with lines is written. Each function appends to what is to be sent.
type form struct {
	contentType string
	line        func(dst []byte, e *archive.Entry) []byte
	damage      func(dst []byte, d *archive.DamageError) []byte
	failure     func(dst []byte, s metav1.Status) []byte // the last thing; nil: the answer is cut off without a word
	end         func(dst []byte, e *endRecord) []byte    // nil: the answer just ends
	ping        string                                   // "": none
	place       func(dst []byte) []byte                  // where the answer is, without a line; nil: there is no way to say it
}

// endRecord is the last thing that a whole answer says.
type endRecord struct {
	Source archive.Source `json:"source,omitempty"`
	Logs   []logRecord    `json:"logs"`
}

// logRecord says what is known of one log.
type logRecord struct {
	lineOf
	Verdict archive.Verdict `json:"verdict,omitempty"` // "": the log is open
	Reason  string          `json:"reason,omitempty"`
	Source  archive.Source  `json:"source,omitempty"`
	Lines   int64           `json:"lines"`
	Bytes   int64           `json:"bytes"`
	Gaps    []archive.Gap   `json:"gaps,omitempty"`
	Seams   int64           `json:"seams,omitempty"`
}

// lineOf names an instance.
type lineOf struct {
	Namespace string         `json:"namespace"`
	Job       string         `json:"job,omitempty"`
	Pod       string         `json:"pod"`
	PodUID    archive.PodUID `json:"podUID"`
	Container string         `json:"container"`
	Restart   int            `json:"restart"`
}

// lineRecord is one line as JSON.
type lineRecord struct {
	lineOf
	Line    int64  `json:"line"`           // its number in its log, counted from 1
	Time    string `json:"time,omitempty"` // "": not known
	Text    string `json:"text"`
	Base64  []byte `json:"base64,omitempty"`  // the bytes of a text that is not UTF-8
	Partial bool   `json:"partial,omitempty"` // no newline follows
	Context bool   `json:"context,omitempty"` // it does not match, and stands near a line that does
}

func instanceOf(i *archive.Instance) lineOf {
	return lineOf{i.Namespace, i.Job, i.Pod, i.PodUID, i.Container, i.Restart}
}

// stamp is a line's time as text, "" where it is not known.
func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// jsonForm writes one JSON object for each line, each in an envelope.
type jsonForm struct {
	buffer  bytes.Buffer
	encoder *json.Encoder
}

func newJSONForm() *jsonForm {
	j := &jsonForm{}
	j.encoder = json.NewEncoder(&j.buffer)
	j.encoder.SetEscapeHTML(false)
	return j
}

// append appends a value as JSON and a newline.
func (j *jsonForm) append(dst []byte, value any) []byte {
	j.buffer.Reset()
	if err := j.encoder.Encode(value); err != nil {
		panic("serve: a record of ours always encodes: " + err.Error())
	}
	return append(dst, j.buffer.Bytes()...)
}

func (j *jsonForm) appendLine(dst []byte, e *archive.Entry) []byte {
	r := lineRecord{
		lineOf: instanceOf(e.Instance), Line: e.Number, Time: stamp(e.Time), Text: string(e.Text), Partial: e.Partial, Context: e.Context,
	}
	if !utf8.Valid(e.Text) {
		r.Base64 = e.Text
	}
	return j.append(dst, &r)
}

// damageRecord says which lines cannot be read.
type damageRecord struct {
	lineOf
	Key       archive.Key `json:"key,omitempty"`
	Frame     int         `json:"frame"`
	AfterLine int64       `json:"afterLine"`
	Lines     int64       `json:"lines"`
	Message   string      `json:"message"`
}

func damageOf(d *archive.DamageError) damageRecord {
	return damageRecord{instanceOf(&d.Instance), d.Key, d.Frame, d.AfterLine, d.Lines, d.Error()}
}

func ndjsonForm() *form {
	j := newJSONForm()
	return &form{
		contentType: "application/x-ndjson",
		line:        j.appendLine,
		damage: func(dst []byte, d *archive.DamageError) []byte {
			return j.append(dst, map[string]any{"damage": damageOf(d)})
		},
		failure: func(dst []byte, s metav1.Status) []byte { return j.append(dst, map[string]any{"error": s}) },
		end:     func(dst []byte, e *endRecord) []byte { return j.append(dst, map[string]any{"end": e}) },
	}
}

// sseForm gives each line as an event whose id is the place behind it.
func sseForm(at *place) *form {
	j := newJSONForm()
	event := func(dst []byte, name string, value any) []byte {
		dst = append(dst, "event: "+name+"\ndata: "...)
		return append(j.append(dst, value), '\n')
	}
	return &form{
		contentType: "text/event-stream",
		line: func(dst []byte, e *archive.Entry) []byte {
			at.had(e.Instance.ID(), e.Number)
			dst = at.appendID(dst)
			return append(j.appendLine(append(dst, "data: "...), e), '\n')
		},
		damage:  func(dst []byte, d *archive.DamageError) []byte { return event(dst, "damage", damageOf(d)) },
		failure: func(dst []byte, s metav1.Status) []byte { return event(dst, "error", s) },
		end:     func(dst []byte, e *endRecord) []byte { return event(dst, "end", e) },
		ping:    ": ping\n\n",
		// An id without data is no event: whoever listens only notes it.
		place: func(dst []byte) []byte { return append(at.appendID(dst), '\n') },
	}
}

// textForm gives the bytes that the container wrote. A line that was written in pieces is put together again.
func textForm(stamps, prefix bool) *form {
	var open *archive.Instance // whose last line has no newline yet
	return &form{
		contentType: "text/plain; charset=utf-8",
		line: func(dst []byte, e *archive.Entry) []byte {
			if open != nil && open.ID() != e.Instance.ID() {
				dst, open = append(dst, '\n'), nil
			}
			if open == nil {
				dst = appendHead(dst, e, stamps, prefix)
			}
			dst = append(dst, e.Text...)
			if open = nil; e.Partial {
				open = e.Instance
				return dst
			}
			return append(dst, '\n')
		},
		damage: func(dst []byte, d *archive.DamageError) []byte {
			if open != nil {
				dst, open = append(dst, '\n'), nil
			}
			return append(append(dst, notice(d.Error())...), '\n')
		},
	}
}

func appendHead(dst []byte, e *archive.Entry, stamps, prefix bool) []byte {
	if prefix {
		dst = fmt.Appendf(dst, "[%s/%s] ", e.Instance.Pod, e.Instance.Container)
	}
	if stamps && e.Time != 0 {
		dst = append(append(dst, stamp(e.Time)...), ' ')
	}
	return dst
}

// notice is a line of ours among lines of a log.
func notice(text string) string { return "[epilogue: " + text + "]" }

// formOf gives the form that the request asks for.
func (l *logRequest) formOf() *form {
	switch l.format {
	case formatNDJSON:
		return ndjsonForm()
	case formatSSE:
		return sseForm(l.place)
	default:
		return textForm(l.stamps, l.prefix)
	}
}

func (f *form) setHeader(h http.Header) {
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // a log may look like anything
	h.Set("X-Accel-Buffering", "no")           // nginx would hold back what is followed
}
