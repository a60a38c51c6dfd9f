package wire

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/epilogue-dev/epilogue/archive"
)

// Instance names a container instance.
type Instance struct {
	Namespace string         `json:"namespace"`
	Job       string         `json:"job,omitempty"`
	Pod       string         `json:"pod"`
	PodUID    archive.PodUID `json:"podUID"`
	Container string         `json:"container"`
	Restart   int            `json:"restart"`
}

// instanceOf is the name of an instance.
func instanceOf(i *archive.Instance) Instance {
	return Instance{i.Namespace, i.Job, i.Pod, i.PodUID, i.Container, i.Restart}
}

// Archived is the instance of that name.
func (i *Instance) Archived() archive.Instance {
	return archive.Instance{
		PodRef:    archive.PodRef{Namespace: i.Namespace, Job: i.Job, Pod: i.Pod, PodUID: i.PodUID},
		Container: i.Container, Restart: i.Restart,
	}
}

// Line is one line of a log.
type Line struct {
	Instance
	Line    int64  `json:"line"`           // its number in its log, counted from 1
	Time    string `json:"time,omitempty"` // "": not known
	Text    string `json:"text"`
	Base64  []byte `json:"base64,omitempty"`  // the bytes of a text that is not UTF-8
	Partial bool   `json:"partial,omitempty"` // no newline follows
	Context bool   `json:"context,omitempty"` // it does not match, and stands near a line that does
}

// LineOf is a line as it is sent.
func LineOf(e *archive.Entry) Line {
	l := Line{
		Instance: instanceOf(e.Instance), Line: e.Number, Time: Stamp(e.Time), Text: string(e.Text), Partial: e.Partial, Context: e.Context,
	}
	if !utf8.Valid(e.Text) {
		l.Base64 = e.Text
	}
	return l
}

// Entry is a line as it was read, but for its instance.
func (l *Line) Entry() (archive.Entry, error) {
	e := archive.Entry{
		Line: archive.Line{Text: []byte(l.Text), Partial: l.Partial}, Number: l.Line, Offset: -1, Context: l.Context,
	}
	if l.Base64 != nil {
		e.Text = l.Base64
	}
	if l.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, l.Time)
		if err != nil {
			return e, fmt.Errorf("time of a line: %w", err)
		}
		e.Time = at.UnixNano()
	}
	return e, nil
}

// Stamp is a line's time as text, "" where it is not known.
func Stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

// Damage says which lines cannot be read.
type Damage struct {
	Instance
	Key       archive.Key `json:"key,omitempty"`
	Frame     int         `json:"frame"`
	AfterLine int64       `json:"afterLine"`
	Lines     int64       `json:"lines"`
	Message   string      `json:"message"`
}

// DamageOf is a damage as it is sent.
func DamageOf(d *archive.DamageError) Damage {
	return Damage{instanceOf(&d.Instance), d.Key, d.Frame, d.AfterLine, d.Lines, d.Error()}
}

// Err is the damage as the archive's reader says it.
func (d *Damage) Err() error {
	return &archive.DamageError{
		Instance: d.Archived(), Key: d.Key, Frame: d.Frame, AfterLine: d.AfterLine, Lines: d.Lines, Err: archive.ErrDamaged,
	}
}

// End is the last thing that a whole answer says.
type End struct {
	Source archive.Source `json:"source,omitempty"`
	Logs   []Log          `json:"logs"`
}

// Log says what is known of one log.
type Log struct {
	Instance
	Verdict archive.Verdict `json:"verdict,omitempty"` // "": the log is open
	Reason  string          `json:"reason,omitempty"`
	Source  archive.Source  `json:"source,omitempty"`
	Lines   int64           `json:"lines"`
	Bytes   int64           `json:"bytes"`
	Gaps    []archive.Gap   `json:"gaps,omitempty"`
	Seams   int64           `json:"seams,omitempty"`
}

// EndOf is the end of an answer.
func EndOf(answer *archive.Answer) *End {
	end := &End{Source: answer.Source, Logs: []Log{}}
	for i := range answer.Logs {
		s := &answer.Logs[i]
		end.Logs = append(end.Logs, Log{instanceOf(&s.Instance), s.Verdict, s.Reason, s.Source, s.Lines, s.Bytes, s.Gaps, s.Seams})
	}
	return end
}

// Statuses are the logs as the archive's reader tells them.
func (e *End) Statuses() []archive.LogStatus {
	var all []archive.LogStatus
	for i := range e.Logs {
		l := &e.Logs[i]
		s := archive.LogStatus{Source: l.Source, Lines: l.Lines, Bytes: l.Bytes}
		s.Instance, s.Verdict, s.Reason, s.Gaps, s.Seams = l.Archived(), l.Verdict, l.Reason, l.Gaps, l.Seams
		all = append(all, s)
	}
	return all
}
