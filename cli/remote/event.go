package remote

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// events reads an answer with lines: a stream of events as HTML has it (text/event-stream), where pings show that the daemon
// is there, or JSON objects, a line each, which are half as long.
type events struct {
	body   io.ReadCloser
	lines  *bufio.Scanner
	status int
	next   func() (event, error) // io.ErrUnexpectedEOF where the answer just ends
}

// event is one event. Its data is good until the next one is asked for.
type event struct {
	name, id string
	data     []byte // nil: it only says where the answer is
}

// longest bounds one event: a line of 1 MiB, each byte of it as \u00xx, and once more in base 64.
const longest = 16 << 20

func newEvents(resp *http.Response) *events {
	e := &events{body: resp.Body, lines: bufio.NewScanner(resp.Body), status: resp.StatusCode}
	e.lines.Buffer(make([]byte, 64<<10), longest)
	e.lines.Split(wholeLines)
	if e.next = e.nextObject; strings.HasPrefix(resp.Header.Get("Content-Type"), eventStream) {
		e.next = e.nextEvent
	}
	return e
}

// wholeLines gives lines that have their end: what a broken connection leaves of one is nothing.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	n := bytes.IndexByte(data, '\n')
	if n < 0 {
		return 0, nil, nil
	}
	return n + 1, bytes.TrimSuffix(data[:n], []byte("\r")), nil
}

func (e *events) close() { e.body.Close() }

const (
	eventStream = "text/event-stream"
	objects     = "application/x-ndjson"
)

// nextObject takes what is no line by its envelope: {"end": ...}, {"error": ...} or {"damage": ...}.
func (e *events) nextObject() (event, error) {
	if !e.lines.Scan() {
		return event{}, e.over()
	}
	text := e.lines.Bytes()
	for _, name := range []string{"end", "error", "damage"} {
		if inside, ok := bytes.CutPrefix(text, []byte(`{"`+name+`":`)); ok {
			return event{name: name, data: bytes.TrimSuffix(inside, []byte("}"))}, nil
		}
	}
	return event{data: text}, nil
}

func (e *events) over() error {
	if err := e.lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// nextEvent passes over comments, which are pings.
func (e *events) nextEvent() (event, error) {
	var got event
	for e.lines.Scan() {
		line := e.lines.Bytes()
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "": // the end of the event, or a comment
			if len(line) == 0 && (got.data != nil || got.id != "") {
				return got, nil
			}
		case "event":
			got.name = string(value)
		case "id":
			got.id = string(value)
		case "data":
			got.data = bytes.Clone(value)
		}
	}
	return event{}, e.over()
}

// lineOf names an instance.
type lineOf struct {
	Namespace string         `json:"namespace"`
	Job       string         `json:"job"`
	Pod       string         `json:"pod"`
	PodUID    archive.PodUID `json:"podUID"`
	Container string         `json:"container"`
	Restart   int            `json:"restart"`
}

func (l *lineOf) instance() archive.Instance {
	return archive.Instance{
		PodRef:    archive.PodRef{Namespace: l.Namespace, Job: l.Job, Pod: l.Pod, PodUID: l.PodUID},
		Container: l.Container, Restart: l.Restart,
	}
}

// of gives an instance, the same one each time.
func (r *reading) of(l *lineOf) *archive.Instance {
	i := l.instance()
	known := r.instances[i.ID()]
	if known == nil {
		known = &i
		r.instances[i.ID()] = known
	}
	return known
}

func (r *reading) line(e event, yield func(archive.Entry, error) bool) error {
	var line struct {
		lineOf
		Line    int64  `json:"line"`
		Time    string `json:"time"`
		Text    string `json:"text"`
		Base64  []byte `json:"base64"`
		Partial bool   `json:"partial"`
		Context bool   `json:"context"`
	}
	if err := unmarshal(e.data, &line); err != nil {
		return err
	}
	entry := archive.Entry{
		Line:   archive.Line{Text: []byte(line.Text), Partial: line.Partial},
		Number: line.Line, Offset: -1, Instance: r.of(&line.lineOf), Context: line.Context,
	}
	if line.Base64 != nil {
		entry.Text = line.Base64
	}
	if line.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, line.Time)
		if err != nil {
			return fmt.Errorf("read the daemon's answer: time of a line: %w", err)
		}
		entry.Time = at.UnixNano()
	}
	if e.id != "" {
		r.place = e.id
	}
	if had, again := r.after[entry.Instance.ID()]; again && entry.Number <= had {
		return nil // the place from which the answer goes on is an earlier one, as where there are too many logs for an id
	}
	r.after[entry.Instance.ID()] = entry.Number
	if r.left -= int64(len(entry.Text)); !entry.Partial {
		r.left-- // its newline
	}
	if !yield(entry, nil) {
		return errEnough
	}
	return nil
}

func unmarshal(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

func (r *reading) damage(text []byte, yield func(archive.Entry, error) bool) error {
	var d struct {
		lineOf
		Key       archive.Key `json:"key"`
		Frame     int         `json:"frame"`
		AfterLine int64       `json:"afterLine"`
		Lines     int64       `json:"lines"`
	}
	if err := unmarshal(text, &d); err != nil {
		return err
	}
	err := &archive.DamageError{
		Instance: d.instance(), Key: d.Key, Frame: d.Frame, AfterLine: d.AfterLine, Lines: d.Lines, Err: archive.ErrDamaged,
	}
	if !yield(archive.Entry{}, err) {
		return errEnough
	}
	return nil
}

// failure is why an answer ends before its end.
func failure(text []byte) error {
	var status metav1.Status
	if err := unmarshal(text, &status); err != nil {
		return err
	}
	return refused(status)
}

func (r *reading) end(text []byte) error {
	var end struct {
		Source archive.Source `json:"source"`
		Logs   []struct {
			lineOf
			Verdict archive.Verdict `json:"verdict"`
			Reason  string          `json:"reason"`
			Source  archive.Source  `json:"source"`
			Lines   int64           `json:"lines"`
			Bytes   int64           `json:"bytes"`
			Gaps    []archive.Gap   `json:"gaps"`
			Seams   int64           `json:"seams"`
		} `json:"logs"`
	}
	if err := unmarshal(text, &end); err != nil {
		return err
	}
	r.answer.Source = end.Source
	for i := range end.Logs {
		l := &end.Logs[i]
		s := archive.LogStatus{Source: l.Source, Lines: l.Lines, Bytes: l.Bytes}
		s.Instance, s.Verdict, s.Reason, s.Gaps, s.Seams = l.instance(), l.Verdict, l.Reason, l.Gaps, l.Seams
		r.answer.Logs = append(r.answer.Logs, s)
	}
	return nil
}

// resumeOf gives a place as the API writes it. The form is the API's: "1." and base 64 of (pod UID, container, restart, line)
// of each log, texts with their lengths before them, numbers as uvarints.
func resumeOf(after map[archive.LogID]int64) string {
	if len(after) == 0 {
		return ""
	}
	ids := slices.SortedFunc(maps.Keys(after), func(a, b archive.LogID) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	var b []byte
	for _, id := range ids {
		for _, text := range []string{string(id.Pod), id.Container} {
			b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
		}
		b = binary.AppendUvarint(b, uint64(id.Restart))
		b = binary.AppendUvarint(b, uint64(after[id]))
	}
	return "1." + base64.RawURLEncoding.EncodeToString(b)
}
