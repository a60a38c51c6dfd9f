package remote

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// events reads an answer with lines: a stream of events as HTML has it (text/event-stream), where pings show that the
// daemon is there, or JSON objects, a line each, which are half as long.
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
	if e.next = e.nextObject; strings.HasPrefix(resp.Header.Get("Content-Type"), wire.Events) {
		e.next = e.nextEvent
	}
	return e
}

// wholeLines returns lines that have their end: what a broken connection leaves of one is nothing.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	n := bytes.IndexByte(data, '\n')
	if n < 0 {
		return 0, nil, nil
	}
	return n + 1, bytes.TrimSuffix(data[:n], []byte("\r")), nil
}

func (e *events) close() { e.body.Close() }

// nextObject takes what is no line by its envelope: {"end": ...}, {"error": ...} or {"damage": ...}.
func (e *events) nextObject() (event, error) {
	if !e.lines.Scan() {
		return event{}, e.over()
	}
	text := e.lines.Bytes()
	for _, name := range []string{wire.EndName, wire.ErrorName, wire.DamageName} {
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

// of returns an instance, the same one each time.
func (r *reading) of(l *wire.Instance) *archive.Instance {
	i := l.Archived()
	known := r.instances[i.ID()]
	if known == nil {
		known = &i
		r.instances[i.ID()] = known
	}
	return known
}

func (r *reading) line(e event, yield func(archive.Entry, error) bool) error {
	var line wire.Line
	if err := unmarshal(e.data, &line); err != nil {
		return err
	}
	entry, err := line.Entry()
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	entry.Instance = r.of(&line.Instance)
	if e.id != "" {
		r.place = e.id
	}
	if had, again := r.after[entry.Instance.ID()]; again && entry.Number <= had {
		// The place from which the answer goes on is an earlier one, as where there are too many logs for an id.
		return nil
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
	var d wire.Damage
	if err := unmarshal(text, &d); err != nil {
		return err
	}
	if !yield(archive.Entry{}, d.Err()) {
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
	var end wire.End
	if err := unmarshal(text, &end); err != nil {
		return err
	}
	r.answer.Source = end.Source
	r.answer.Logs = append(r.answer.Logs, end.Statuses()...)
	return nil
}
