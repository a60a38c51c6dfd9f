package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// form is how an answer with lines is written. Each function appends to what is to be sent.
type form struct {
	contentType string
	line        func(dst []byte, e *archive.Entry) []byte
	damage      func(dst []byte, d *archive.DamageError) []byte
	failure     func(dst []byte, s metav1.Status) []byte // the last thing; nil: the answer is cut off without a word
	end         func(dst []byte, e *wire.End) []byte     // nil: the answer just ends
	ping        string                                   // "": none
	// Where the answer is, without a line; nil: there is no way to say it.
	place func(dst []byte) []byte
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
	r := wire.LineOf(e)
	return j.append(dst, &r)
}

func ndjsonForm() *form {
	j := newJSONForm()
	return &form{
		contentType: wire.Objects,
		line:        j.appendLine,
		damage: func(dst []byte, d *archive.DamageError) []byte {
			return j.append(dst, map[string]any{wire.DamageName: wire.DamageOf(d)})
		},
		failure: func(dst []byte, s metav1.Status) []byte { return j.append(dst, map[string]any{wire.ErrorName: s}) },
		end:     func(dst []byte, e *wire.End) []byte { return j.append(dst, map[string]any{wire.EndName: e}) },
	}
}

// sseForm writes each line as an event whose id is the place behind it.
func sseForm(at *wire.Place) *form {
	j := newJSONForm()
	event := func(dst []byte, name string, value any) []byte {
		dst = append(dst, "event: "+name+"\ndata: "...)
		return append(j.append(dst, value), '\n')
	}
	return &form{
		contentType: wire.Events,
		line: func(dst []byte, e *archive.Entry) []byte {
			at.Had(e.Instance.ID(), e.Number)
			dst = at.AppendID(dst)
			return append(j.appendLine(append(dst, "data: "...), e), '\n')
		},
		damage:  func(dst []byte, d *archive.DamageError) []byte { return event(dst, wire.DamageName, wire.DamageOf(d)) },
		failure: func(dst []byte, s metav1.Status) []byte { return event(dst, wire.ErrorName, s) },
		end:     func(dst []byte, e *wire.End) []byte { return event(dst, wire.EndName, e) },
		ping:    ": ping\n\n",
		// An id without data is no event: whoever listens only notes it.
		place: func(dst []byte) []byte { return append(at.AppendID(dst), '\n') },
	}
}

// textForm writes the bytes that the container wrote. A line that was written in pieces is put together again.
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
		dst = append(append(dst, wire.Stamp(e.Time)...), ' ')
	}
	return dst
}

// notice is a line of ours among lines of a log.
func notice(text string) string { return "[epilogue: " + text + "]" }

// formOf returns the form that the request asks for.
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
