package printer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
)

// Printer writes what a journal.Reader finds, for a person to read or, with JSON, one document per line.
type Printer struct {
	Reader *journal.Reader
	Out    io.Writer
	JSON   bool
}

// List writes a line for each object of a replica's journal, of all replicas where that is "".
func (p Printer) List(ctx context.Context, replica string) error {
	out := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	if !p.JSON {
		fmt.Fprintln(out, "REPLICA\tSEQUENCE\tWRITTEN\tBYTES\tPODS\tLOGS\tREMARK")
	}
	for object, err := range p.Reader.List(ctx, replica) {
		if err != nil {
			return err
		}
		if p.JSON {
			if err := json.NewEncoder(p.Out).Encode(listed(&object)); err != nil {
				return err
			}
			continue
		}
		l := listed(&object)
		fmt.Fprintf(out, "%s\t%d\t%s\t%d\t%d\t%d\t%s\n", l.Replica, l.Sequence, moment(l.Written), l.Size, l.Pods, l.Logs, l.Error)
	}
	return out.Flush() // gives the first error of all the writes
}

// journalLine is an object in a list.
type journalLine struct {
	Key      archive.Key `json:"key"`
	Replica  string      `json:"replica"`
	Sequence int64       `json:"sequence"`
	Written  time.Time   `json:"written,omitzero"`
	Size     int64       `json:"size"` // bytes
	Pods     int         `json:"pods"`
	Logs     int         `json:"logs"`
	Error    string      `json:"error,omitempty"`
}

func listed(o *journal.Object) journalLine {
	replica := archive.ReplicaOf(o.Key)
	l := journalLine{Key: o.Key, Replica: replica, Sequence: archive.SequenceOf(o.Key), Size: o.Size, Error: o.Error}
	if o.Index == nil {
		return l
	}
	l.Written, l.Pods = o.Index.Written, len(o.Index.Pods)
	for i := range o.Index.Pods {
		l.Logs += len(o.Index.Pods[i].Logs)
	}
	return l
}

// object reads one whose index is not damaged.
func (p Printer) object(ctx context.Context, verb string, key archive.Key) (journal.Object, error) {
	object, err := p.Reader.Object(ctx, key)
	if err == nil && object.Index == nil {
		err = fmt.Errorf("%s journal: %s: %w", verb, object.Error, archive.ErrDamaged)
	}
	return object, err
}

// Dump writes the index of an object and a line for each frame, whose bytes are read and checked.
func (p Printer) Dump(ctx context.Context, key archive.Key) error {
	object, err := p.object(ctx, "dump", key)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.Out)
	if p.JSON {
		if err := json.NewEncoder(out).Encode(object); err != nil {
			return err
		}
	} else {
		x := object.Index
		fmt.Fprintf(out, "%s\n%d bytes, written %s by %s in life %s\n", key, object.Size, moment(x.Written), x.Replica, x.Life)
	}
	for i := range object.Index.Pods {
		if err := p.dumpPod(ctx, out, key, &object.Index.Pods[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (p Printer) dumpPod(ctx context.Context, out io.Writer, key archive.Key, pod *format.JournalPod) error {
	if !p.JSON {
		fmt.Fprintf(out, "\npod %s/%s %s, Job %s %s%s\n", pod.Namespace, pod.Pod, pod.PodUID, pod.Job, pod.JobUID, at(", draft", pod.Draft))
	}
	for i := range pod.Logs {
		l := &pod.Logs[i]
		if !p.JSON {
			fmt.Fprintf(out, "  log %s.%d %s: %d lines so far%s%s%s\n", l.Container, l.Restart, l.ContainerID, l.Lines,
				cursorText(l.Last), map[bool]string{true: ", ended"}[l.Ended], at(", sealed, record", l.Record))
		}
		for _, run := range l.Frames {
			frames, err := p.Reader.Frames(ctx, key, run)
			if err != nil {
				return err
			}
			if err := p.dumpFrames(out, pod, l, run.Whole, frames); err != nil {
				return err
			}
		}
	}
	return nil
}

// dumpedFrame is a frame with its log.
type dumpedFrame struct {
	PodUID    archive.PodUID `json:"podUID"`
	Container string         `json:"container"`
	Restart   int            `json:"restart"`
	Whole     bool           `json:"whole"`
	journal.Frame
}

func (p Printer) dumpFrames(out io.Writer, pod *format.JournalPod, l *format.JournalLog, whole bool, frames []journal.Frame) error {
	for _, f := range frames {
		if p.JSON {
			if err := json.NewEncoder(out).Encode(dumpedFrame{pod.PodUID, l.Container, l.Restart, whole, f}); err != nil {
				return err
			}
			continue
		}
		kind, state := map[bool]string{true: "whole", false: "small"}[whole], "ok"
		if f.Damaged != "" {
			state = f.Damaged
		}
		fmt.Fprintf(out, "    %s frame of %d bytes at %d: lines %d to %d, %d bytes of text, %s to %s, %d gaps, crc32c %08x, %s\n",
			kind, f.Size, f.Offset, f.FirstLine+1, f.FirstLine+f.Lines, f.RawSize, moment(archive.TimeOf(f.Low)), moment(archive.TimeOf(f.High)), len(f.Gaps), f.CRC, state)
	}
	return nil
}

// ParseName reads the name of a log as a person types it: <pod uid>/<container>.<restart>.
func ParseName(text string) (n archive.LogID, err error) {
	pod, rest, _ := strings.Cut(text, "/")
	container, number, _ := strings.Cut(rest, ".")
	restart, err := strconv.ParseUint(number, 10, 31)
	if err != nil || !archive.PlainName(pod) || !archive.PlainName(container) {
		return n, fmt.Errorf("%q is no log: want <pod uid>/<container>.<restart>, such as 6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59/main.0", text)
	}
	return archive.LogID{Pod: archive.PodUID(pod), Container: container, Restart: int(restart)}, nil
}

// Text writes the lines that an object holds of a log: as the container wrote them or, with JSON, one document with the
// time for each.
func (p Printer) Text(ctx context.Context, key archive.Key, log archive.LogID) error {
	object, err := p.object(ctx, "read", key)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.Out)
	var failed error
	err = p.Reader.Lines(ctx, object, log, func(line archive.Line) bool {
		failed = p.line(out, &line)
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}

func (p Printer) line(out *bufio.Writer, line *archive.Line) error {
	if p.JSON {
		return json.NewEncoder(out).Encode(struct {
			Time    int64  `json:"time"` // ns since 1970, 0: not known
			Text    string `json:"text"`
			Partial bool   `json:"partial,omitempty"`
		}{line.Time, string(line.Text), line.Partial})
	}
	_, err := out.Write(line.Text)
	if err == nil && !line.Partial {
		err = out.WriteByte('\n')
	}
	return err
}

func at(what string, p *format.JournalPart) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%s of %d bytes at %d", what, p.Size, p.Offset)
}

func cursorText(last int64) string {
	if last == 0 {
		return ""
	}
	return ", following goes on from " + moment(archive.TimeOf(last))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}
