package loki

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const kindJSON = "application/json; charset=UTF-8"

// categorize is the flag by which a client asks for structured metadata apart from labels.
const (
	flagsHeader = "X-Loki-Response-Encoding-Flags"
	categorize  = "categorize-labels"
)

// answerJSON answers with a document as it is.
func answerJSON(w http.ResponseWriter, document any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	head(w)
	_, _ = w.Write(text.Bytes()) // the client may be gone
	return nil
}

// answerData answers with a document as the data of a success.
func answerData(w http.ResponseWriter, data any) error {
	return answerJSON(w, struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{"success", data})
}

func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", kindJSON)
	w.Header().Set("Cache-Control", "no-store")
}

// summary says what a query cost, as Loki's clients show it.
type summary struct {
	BytesPerSecond int64   `json:"bytesProcessedPerSecond"`
	LinesPerSecond int64   `json:"linesProcessedPerSecond"`
	Bytes          int64   `json:"totalBytesProcessed"`
	Lines          int64   `json:"totalLinesProcessed"`
	Seconds        float64 `json:"execTime"`
	Entries        int     `json:"totalEntriesReturned"`
}

func summaryOf(s *source, took time.Duration, entries int) summary {
	seconds := max(took.Seconds(), 1e-6)
	return summary{int64(float64(s.bytes) / seconds), int64(float64(s.lines) / seconds), s.bytes, s.lines, seconds, entries}
}

// resultWriter writes a result. The first error stays: the client is gone.
type resultWriter struct {
	*bufio.Writer
	categorize bool
	entries    int
	scratch    []byte
}

// writeResult answers with the result of a query.
func writeResult(w http.ResponseWriter, result logql.Result, categorized bool, of func(entries int) summary) error {
	head(w)
	out := &resultWriter{Writer: bufio.NewWriterSize(w, 32<<10), categorize: categorized}
	out.text(`{"status":"success","data":{`)
	if err := out.result(result); err != nil {
		return err
	}
	out.text(`,"stats":{"summary":`)
	out.json(of(out.entries))
	out.text("}}}\n")
	_ = out.Flush() // as above
	return nil
}

func (w *resultWriter) text(s string) { _, _ = w.WriteString(s) }

// json writes what always encodes: texts, labels, numbers.
func (w *resultWriter) json(v any) {
	if text, err := json.Marshal(v); err == nil {
		_, _ = w.Write(text)
	}
}

func (w *resultWriter) result(result logql.Result) error {
	switch r := result.(type) {
	case logql.Streams:
		w.text(`"resultType":"streams",`)
		if w.categorize {
			w.text(`"encodingFlags":["` + categorize + `"],`)
		}
		w.list("result", len(r), func(i int) { w.stream(&r[i]) })
	case logql.Matrix:
		w.text(`"resultType":"matrix",`)
		w.list("result", len(r), func(i int) {
			w.text(`{"metric":`)
			w.json(r[i].Labels.Map())
			w.text(",")
			w.list("values", len(r[i].Points), func(n int) { w.point(r[i].Points[n]) })
			w.text("}")
		})
		w.entries = len(r)
	case logql.Vector:
		w.text(`"resultType":"vector",`)
		w.list("result", len(r), func(i int) {
			w.text(`{"metric":`)
			w.json(r[i].Labels.Map())
			w.text(`,"value":`)
			w.point(r[i].Point)
			w.text("}")
		})
		w.entries = len(r)
	case logql.Scalar:
		w.text(`"resultType":"scalar","result":`)
		w.point(logql.Point(r))
		w.entries = 1
	default:
		return fmt.Errorf("encode result: %T has no form", result)
	}
	return nil
}

func (w *resultWriter) list(name string, n int, one func(i int)) {
	w.text(`"` + name + `":[`)
	for i := range n {
		if i > 0 {
			w.text(",")
		}
		one(i)
	}
	w.text("]")
}

func (w *resultWriter) stream(s *logql.LogStream) {
	w.text(`{"stream":`)
	w.json(s.Labels.Map())
	w.text(",")
	w.list("values", len(s.Entries), func(i int) { w.entry(&s.Entries[i]) })
	w.text("}")
	w.entries += len(s.Entries)
}

func (w *resultWriter) entry(e *logql.LogEntry) {
	w.scratch = append(w.scratch[:0], '[', '"')
	w.scratch = strconv.AppendInt(w.scratch, e.Time, 10)
	w.scratch = append(w.scratch, '"', ',')
	w.scratch = appendText(w.scratch, e.Line)
	_, _ = w.Write(w.scratch)
	if w.categorize {
		w.text(",")
		w.json(categories{e.Meta.Map(), e.Parsed.Map()})
	}
	w.text("]")
}

// categories are what an entry has besides the labels of its stream.
type categories struct {
	Meta   map[string]string `json:"structuredMetadata,omitempty"`
	Parsed map[string]string `json:"parsed,omitempty"`
}

// point writes a sample: its time in seconds, to the millisecond, and its value as text.
func (w *resultWriter) point(p logql.Point) {
	w.scratch = append(w.scratch[:0], '[')
	w.scratch = appendSeconds(w.scratch, p.Time)
	w.scratch = append(w.scratch, `,"`...)
	w.scratch = appendValue(w.scratch, p.Value)
	w.scratch = append(w.scratch, `"]`...)
	_, _ = w.Write(w.scratch)
}

func appendSeconds(dst []byte, ns int64) []byte {
	ms := ns / int64(time.Millisecond)
	return strconv.AppendFloat(dst, float64(ms)/1000, 'f', -1, 64)
}

func appendValue(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendText appends text as JSON. Bytes that are no UTF-8 become U+FFFD.
func appendText(dst []byte, text string) []byte {
	plain := func(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }
	for i := range len(text) {
		if !plain(text[i]) {
			return appendQuoted(dst, text)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

func appendQuoted(dst []byte, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}

// writeTail writes one message of a tail.
func writeTail(w io.Writer, streams logql.Streams, categorized bool) {
	out := &resultWriter{Writer: bufio.NewWriterSize(w, 4<<10), categorize: categorized}
	out.text("{")
	out.list("streams", len(streams), func(i int) { out.stream(&streams[i]) })
	if categorized {
		out.text(`,"encodingFlags":["` + categorize + `"]`)
	}
	out.text("}")
	_ = out.Flush() // closing the writer gives the error
}
