package takeover

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
)

// wanted is a run that some log needs.
type wanted struct {
	log *takenLog
	run *journal.Taken
}

// maxHole is how many bytes that nobody needs are read rather than asked for around.
const maxHole = 256 << 10

// fetch reads the objects one after the other, each in few requests, and gives each log its frames.
func (t *takeover) fetch(ctx context.Context) error {
	needs := make([][]wanted, len(t.objects))
	for _, p := range t.pods {
		for _, l := range p.logs {
			if l.stays {
				continue
			}
			if l.best.Record != nil {
				if err := t.fetchRecord(ctx, l); err != nil {
					return err
				}
			}
			if l.record != nil {
				continue // the frames are in the store as a log object
			}
			for i := range l.best.Runs {
				run := &l.best.Runs[i]
				needs[run.Object] = append(needs[run.Object], wanted{l, run})
			}
		}
	}
	for n, runs := range needs {
		slices.SortFunc(runs, func(a, b wanted) int { return cmp.Compare(a.run.Offset, b.run.Offset) })
		for len(runs) > 0 {
			span := nearby(runs)
			if err := t.fetchSpan(ctx, t.objects[n].Key, runs[:span]); err != nil {
				return err
			}
			runs = runs[span:]
		}
		needs[n] = nil
	}
	return nil
}

// nearby gives how many of the runs to read in one request.
func nearby(runs []wanted) int {
	for n := 1; n < len(runs); n++ {
		before := runs[n-1].run
		hole := runs[n].run.Offset - before.Offset - before.Size
		if hole < 0 || hole > maxHole {
			return n
		}
	}
	return len(runs)
}

func (t *takeover) fetchSpan(ctx context.Context, key archive.Key, runs []wanted) error {
	first, last := runs[0].run, runs[len(runs)-1].run
	r := archive.Range{Offset: first.Offset, Length: last.Offset + last.Size - first.Offset}
	body, _, err := format.Open(ctx, t.journal.Store, key, r)
	if err == nil {
		err = format.Closing(body, takeRuns(bufio.NewReaderSize(body, 64<<10), first.Offset, runs))
	}
	switch {
	case errors.Is(err, archive.ErrNotFound) && !t.final:
		return errMoved
	case err != nil && !errors.Is(err, archive.ErrNotFound):
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

// takeRuns takes runs out of what starts at a place of their object.
func takeRuns(in io.Reader, at int64, runs []wanted) error {
	for _, w := range runs {
		if _, err := io.CopyN(io.Discard, in, w.run.Offset-at); err != nil {
			return format.NoEOF(err)
		}
		if err := w.log.takeRun(io.LimitReader(in, w.run.Size), w.run); err != nil {
			return err
		}
		at = w.run.Offset + w.run.Size
	}
	return nil
}

// takeRun takes the frames of a run, and reads it to its end in any case. Only the store's errors are returned: those
// of the disk are kept, for the other logs may have room; a damaged frame is left out, and what is missing shows at the
// next one.
func (l *takenLog) takeRun(r io.Reader, run *journal.Taken) error {
	if l.err == nil {
		file, err := l.file(run)
		if err != nil {
			l.err = err
		} else if err := format.Closing(file, l.takeFrames(r, run, file)); errors.Is(err, format.ErrRead) {
			return err
		} else if err != nil && !errors.Is(err, archive.ErrDamaged) {
			l.fail(err)
		}
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// fail gives up a log for this round.
func (l *takenLog) fail(err error) {
	l.err = err
	for _, ext := range []string{".log", ".tail"} {
		_ = os.Remove(l.path(ext)) // the folder is emptied after the round
	}
	l.giveBack()
}

func (l *takenLog) takeFrames(r io.Reader, run *journal.Taken, file *os.File) error {
	for left := run.Size; left > 0; {
		b, err := format.ReadFrameBytes(r, left)
		if err != nil {
			return err
		}
		left -= int64(len(b))
		h, err := format.CheckFrame(b)
		if errors.Is(err, archive.ErrDamaged) {
			l.log.Error("frame in a journal object is damaged", "instance", l.best.Instance, "err", err)
			continue
		}
		if err == nil {
			err = l.take(file, b, &h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// document reads a JSON document of an object; nil where it is damaged or gone.
func (t *takeover) document(ctx context.Context, at journal.Place) (text []byte, err error) {
	key := t.objects[at.Object].Key
	b, _, err := format.Fetch(ctx, t.journal.Store, key, archive.Range{Offset: at.Offset, Length: at.Size})
	if err == nil {
		text, err = t.journal.Spool.Codec.ReadDocument(b, format.MagicDocument, "EPLD", 0)
	}
	switch {
	case errors.Is(err, archive.ErrNotFound) && !t.final:
		return nil, errMoved
	case errors.Is(err, archive.ErrDamaged), errors.Is(err, archive.ErrNotFound):
		t.journal.Log.Error("document in a journal object is damaged", "key", key, "err", err)
		return nil, nil
	}
	return text, err
}

// fetchRecord reads what the dead replica wrote down of a log that it had sealed.
func (t *takeover) fetchRecord(ctx context.Context, l *takenLog) error {
	text, err := t.document(ctx, *l.best.Record)
	if err != nil {
		return err
	}
	var r archive.InstanceRecord
	if text == nil || json.Unmarshal(text, &r) != nil || r.Instance != l.best.Instance {
		l.best.Record = nil // the frames are taken, and the log object is found by the seal
		return nil
	}
	l.record = text
	return nil
}

// adoptDraft saves the newest draft of a pod that the spool has none of, or adds to the spool's what only that one
// names. Where the journal has none that can be read, one is made of what the logs say, so that the pod can be sealed.
func (t *takeover) adoptDraft(ctx context.Context, p *takenPod) error {
	have, err := t.journal.Spool.Draft(p.ref.PodUID)
	if err == nil && !p.changes() {
		return nil
	}
	draft, failed := t.draft(ctx, p)
	switch {
	case failed != nil:
		return failed
	case err == nil && draft == nil:
		return nil
	case err == nil:
		for _, r := range draft.Instances {
			if r.ContainerID != "" && !slices.ContainsFunc(have.Instances, func(o archive.InstanceRecord) bool { return o.ID() == r.ID() }) {
				have.Instances = append(have.Instances, r)
			}
		}
		return t.journal.Spool.SaveDraft(have)
	case draft != nil:
		return t.journal.Spool.SaveDraft(draft)
	}
	m := &archive.Draft{Manifest: archive.Manifest{Version: archive.FormatVersion, Pod: archive.PodSummary{PodRef: p.ref, Phase: "Unknown"}}}
	for _, l := range p.logs {
		m.Instances = append(m.Instances, archive.InstanceRecord{Instance: l.best.Instance})
	}
	return t.journal.Spool.SaveDraft(m)
}

// draft gives the newest draft of a pod, nil where there is none that can be read.
func (t *takeover) draft(ctx context.Context, p *takenPod) (*archive.Draft, error) {
	if p.draft.Size == 0 {
		return nil, nil
	}
	text, err := t.document(ctx, p.draft)
	if err != nil || text == nil {
		return nil, err
	}
	var d archive.Draft
	if json.Unmarshal(text, &d) != nil || d.Pod.PodUID != p.ref.PodUID {
		return nil, nil
	}
	return &d, nil
}
