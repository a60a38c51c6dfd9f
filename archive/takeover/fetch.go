package takeover

import (
	"bufio"
	"cmp"
	"context"
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
	needs := map[archive.Key][]wanted{}
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
				needs[run.Key] = append(needs[run.Key], wanted{l, run})
			}
		}
	}
	for _, key := range t.objects {
		runs := needs[key]
		slices.SortFunc(runs, func(a, b wanted) int { return cmp.Compare(a.run.Offset, b.run.Offset) })
		for len(runs) > 0 {
			span := nearby(runs)
			if err := t.fetchSpan(ctx, key, runs[:span]); err != nil {
				return err
			}
			runs = runs[span:]
		}
		delete(needs, key)
	}
	return nil
}

// nearby returns how many of the runs to read in one request.
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
		return journal.ErrMoved
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

// document reads a JSON document of an object, and returns its text; nil where it is damaged or gone.
func (t *takeover) document(ctx context.Context, at journal.Place, v any) (text []byte, err error) {
	text, err = journal.Document(ctx, t.journal.Store, t.journal.Spool.Codec, at, v)
	switch {
	case errors.Is(err, archive.ErrNotFound) && !t.final:
		return nil, journal.ErrMoved
	case errors.Is(err, archive.ErrDamaged), errors.Is(err, archive.ErrNotFound):
		t.journal.Log.Error("document in a journal object is damaged", "key", at.Key, "err", err)
		return nil, nil
	}
	return text, err
}

// fetchRecord reads what the dead replica wrote down of a log that it had sealed.
func (t *takeover) fetchRecord(ctx context.Context, l *takenLog) error {
	var r archive.InstanceRecord
	text, err := t.document(ctx, *l.best.Record, &r)
	if err != nil {
		return err
	}
	if text == nil || r.Instance != l.best.Instance {
		l.best.Record = nil // the frames are taken, and the log object is found by the seal
		return nil
	}
	l.record = text
	return nil
}

// adoptDraft saves the newest draft of a pod that the spool has none of, or adds to the spool's what only that one
// names. Where the journal has none that can be read, one is made of what the logs say, so that the pod can be sealed.
func (t *takeover) adoptDraft(ctx context.Context, p *takenPod) error {
	have, err := t.journal.Spool.Draft(p.PodUID)
	if err == nil && !p.changes() {
		return nil
	}
	draft, failed := t.draft(ctx, p)
	if failed != nil {
		return failed
	}
	switch {
	case err == nil && draft == nil:
		return nil
	case err == nil:
		addInstances(have, draft)
		draft = have
	case draft == nil:
		draft = &archive.Draft{Manifest: *archive.UnknownPod(p.PodRef)}
		for _, l := range p.logs {
			draft.Instances = append(draft.Instances, archive.InstanceRecord{Instance: l.best.Instance})
		}
	}
	return t.journal.Spool.SaveDraft(draft)
}

// addInstances adds to a draft what only another one names.
func addInstances(have, other *archive.Draft) {
	for _, r := range other.Instances {
		if r.ContainerID != "" && have.OfContainer(r.ContainerID) == nil {
			have.Instances = append(have.Instances, r)
		}
	}
}

// draft returns the newest draft of a pod with the instances that others name, nil where there is none that can be
// read.
func (t *takeover) draft(ctx context.Context, p *takenPod) (newest *archive.Draft, err error) {
	for _, place := range p.drafts {
		var d archive.Draft
		text, err := t.document(ctx, place, &d)
		switch {
		case err != nil:
			return nil, err
		case text == nil || d.Pod.PodUID != p.PodUID:
		case newest == nil:
			newest = &d
		default:
			addInstances(newest, &d)
		}
	}
	return newest, nil
}
