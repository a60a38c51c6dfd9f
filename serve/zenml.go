package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// ZenML reads a log as one text whose lines are LogEntry documents, and of these the first 50,000. So the end of a
// longer log, which says why it failed, would be what is dropped: the middle is left out here instead.
const (
	zenmlLines  = 50_000
	zenmlBytes  = 64 << 20 // of lines: ZenML's server holds the whole answer
	zenmlLevel  = 20       // INFO: the container's lines have no level that could be known
	zenmlNotice = 30       // WARNING: what is said about them
)

// zenmlEntry is ZenML's LogEntry. Its level is a number; a level in words makes ZenML show the whole document as text.
type zenmlEntry struct {
	Message     string `json:"message"`
	Name        string `json:"name,omitempty"`
	Level       int    `json:"level"`
	Timestamp   string `json:"timestamp,omitempty"`
	ChunkIndex  int    `json:"chunk_index"`
	TotalChunks int    `json:"total_chunks"`
}

// zenmlWriter writes entries, and counts them.
type zenmlWriter struct {
	stream   *stream
	sent     int64
	longest  int               // bytes that are shown of a line
	messages []message.Message // still to be written, oldest first
}

// serveZenML answers with LogEntry lines: at most zenmlLines, and never none.
func (a *API) serveZenML(w *answerWriter, r *http.Request, l *logRequest, answer *archive.Answer) error {
	total, err := a.countLines(r.Context(), l, answer)
	if err != nil {
		return err
	}
	z := &zenmlWriter{stream: newStream(w, &form{contentType: "text/plain; charset=utf-8"}), longest: longest(total)}
	if err := a.addMessages(r.Context(), z, l); err != nil {
		return err
	}
	if err = z.explainAll(answer.Logs); err == nil {
		err = a.zenmlCopy(r.Context(), z, l, answer, total)
	}
	if err == nil && total == 0 && z.sent == 0 {
		err = z.notice(nothing(l, answer))
	}
	if err == nil {
		err = z.said(time.Time{})
	}
	if err == nil {
		err = z.stream.flush()
	}
	if err != nil {
		return a.breakOff(z.stream, err)
	}
	return nil
}

// addMessages takes up what was said about the workload besides its containers' lines, in namespaces that the caller
// may read. Who asks for certain lines asks for these. What cannot be had of it is said, and takes nothing from the
// lines.
func (a *API) addMessages(ctx context.Context, z *zenmlWriter, l *logRequest) error {
	if a.parts.Messages == nil || l.scope == nil || l.filtered() {
		return nil
	}
	target := l.query.Target
	namespaces := []string{target.Namespace}
	if target.Namespace == "" {
		namespaces = l.scope.namespaces(ctx)
	} else if !l.scope.may(ctx, target.Namespace) {
		return nil
	}
	talk, err := a.parts.Messages(ctx, target.Workload, namespaces)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	z.messages = talk.Of
	if err := room.Of(ctx).Reserve(talk.Memory()); err != nil {
		return err
	}
	switch {
	case err != nil:
		a.parts.Log.Warn("messages cannot be read", "workload", target.Workload, "err", err)
		return z.notice("what was said of " + target.String() + " besides its lines cannot be read now")
	case talk.More:
		return z.notice("more was said of " + target.String() + " besides its lines than is shown here")
	}
	return nil
}

// said writes the messages up to a time; the zero time: all.
func (z *zenmlWriter) said(until time.Time) error {
	for len(z.messages) > 0 && (until.IsZero() || !z.messages[0].Time.After(until)) {
		m := z.messages[0]
		z.messages = z.messages[1:]
		e := zenmlEntry{Message: m.Text, Name: "zenml", Level: zenmlLevel, Timestamp: m.Time.UTC().Format(time.RFC3339Nano)}
		if err := z.write(&e); err != nil {
			return err
		}
	}
	return nil
}

// explainAll says of the logs that are not whole what they are.
func (z *zenmlWriter) explainAll(logs []archive.LogStatus) error {
	const most = 100
	for i := range logs {
		if text := explain(&logs[i]); text != "" && z.sent < most {
			if err := z.notice(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// zenmlCopy copies what there is room for: all, or the start and the end.
func (a *API) zenmlCopy(ctx context.Context, z *zenmlWriter, l *logRequest, answer *archive.Answer, total int64) error {
	room := zenmlLines - z.sent - int64(len(z.messages))
	if total <= room {
		return z.copy(answer.Entries, 0, room)
	}
	head := room / 2
	tail := room - head - 1
	if err := z.copy(answer.Entries, 0, head); err != nil {
		return err
	}
	if err := z.notice(fmt.Sprintf("%d of %d lines are left out here; the archive has them", total-head-tail, total)); err != nil {
		return err
	}
	rest, skip := l.query, total-tail
	if !l.filtered() {
		rest.After, skip = before(answer.Logs, skip), 0
	}
	end, err := a.parts.Reader.Read(ctx, rest)
	if err != nil {
		return err
	}
	return z.copy(end.Entries, skip, tail)
}

// before returns the place behind the first n lines of some logs.
func before(logs []archive.LogStatus, n int64) map[archive.LogID]int64 {
	after := map[archive.LogID]int64{}
	for i := range logs {
		has := min(n, logs[i].Lines)
		after[logs[i].ID()] = has
		n -= has
	}
	return after
}

// nothing says why there is no line.
func nothing(l *logRequest, answer *archive.Answer) string {
	switch {
	case len(answer.Logs) == 0:
		return fmt.Sprintf("no container of %s is known", l.query.Target)
	case l.filtered():
		return fmt.Sprintf("no line of %s is as asked for", l.query.Target)
	default:
		return fmt.Sprintf("%s has written nothing yet", l.query.Target)
	}
}

// countLines counts what will come. Where lines are left out they are read for it.
func (a *API) countLines(ctx context.Context, l *logRequest, answer *archive.Answer) (total int64, err error) {
	if !l.filtered() {
		for i := range answer.Logs {
			total += answer.Logs[i].Lines
		}
		return total, nil
	}
	counted, err := a.parts.Reader.Read(ctx, l.query)
	if err != nil {
		return 0, err
	}
	for _, err := range counted.Entries {
		var damage *archive.DamageError
		if err != nil && !errors.As(err, &damage) {
			return 0, err
		}
		total++
	}
	return total, nil
}

// copy copies entries but the first ones, and most of them at the most.
func (z *zenmlWriter) copy(entries iter.Seq2[archive.Entry, error], skip, most int64) error {
	for e, err := range entries {
		var damage *archive.DamageError
		switch {
		case err != nil && !errors.As(err, &damage):
			return err
		case skip > 0:
			skip--
			continue
		case most == 0:
			return nil
		case damage != nil:
			err = z.notice(damage.Error())
		default:
			err = z.entry(&e)
		}
		if most--; err != nil {
			return err
		}
	}
	return nil
}

// longest returns how much is shown of a line where there are so many, so that all of them have room.
func longest(lines int64) int { return int(zenmlBytes / max(1, min(lines, zenmlLines))) }

// shown cuts a line that is too long for all to have room.
func (z *zenmlWriter) shown(text []byte) string {
	if len(text) <= z.longest {
		return string(text)
	}
	return string(text[:z.longest]) + notice(fmt.Sprintf("%d of %d bytes are left out here; the archive has them", len(text)-z.longest, len(text)))
}

func (z *zenmlWriter) entry(e *archive.Entry) error {
	if len(z.messages) > 0 && e.Time != 0 {
		if err := z.said(time.Unix(0, e.Time)); err != nil {
			return err
		}
	}
	return z.write(&zenmlEntry{
		Message: z.shown(e.Text), Name: e.Instance.Pod + "/" + e.Instance.Container, Level: zenmlLevel, Timestamp: wire.Stamp(e.Time),
	})
}

func (z *zenmlWriter) notice(text string) error {
	return z.write(&zenmlEntry{Message: notice(text), Name: "epilogue", Level: zenmlNotice})
}

func (z *zenmlWriter) write(e *zenmlEntry) error {
	e.TotalChunks = 1
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	z.sent++
	return z.stream.append(func(dst []byte) []byte { return append(append(dst, text...), '\n') })
}
