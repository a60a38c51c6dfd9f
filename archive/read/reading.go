package read

import (
	"context"
	"errors"
	"fmt"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/sieve"
)

// opened is a holding and how far it goes.
type opened struct {
	sieve.Holding
	lines, bytes int64 // of the log, as the holding knows it; bytes -1: not known
	last         bool  // no line comes after it
}

// entries gives what is there.
func (a *answering) entries(ctx context.Context, yield func(archive.Entry, error) bool) {
	for _, l := range a.logs {
		if a.budget.Full() || !l.advance(ctx, yield) {
			return
		}
		a.marks(l)
	}
}

// advance gives what came since the last time. It returns false where the answer is at its end: the consumer has had
// enough, or was given an error that ends it.
func (l *reading) advance(ctx context.Context, yield func(archive.Entry, error) bool) bool {
	defer func() {
		if l.ended || !l.Query.Follow {
			l.Forget()
		}
	}()
	if l.ended || l.Done {
		l.ended = true
		return true
	}
	if kept := l.status.Log; kept != nil && l.Seen >= kept.Lines {
		l.ended = true // nothing is behind the place from which it goes on
		return true
	}
	h, err := l.open(ctx)
	if err == nil && h == nil && !l.Query.Follow && l.held {
		h, err = l.openElsewhere(ctx)
	}
	if err != nil {
		l.ended = true
		return yield(archive.Entry{}, err) && sieve.IsDamage(err)
	}
	if h == nil {
		return true // nothing is kept of it, or a follower looks up what became of it
	}
	defer h.Close()
	moved := false
	goOn := l.Run(ctx, h.Holding, !l.begun && l.Query.Tail != nil, func(e archive.Entry, err error) bool {
		if moved = l.begun && l.text != nil && err != nil && errors.Is(err, archive.ErrNotFound) && !sieve.IsDamage(err); moved {
			return false
		}
		return yield(e, err)
	})
	if moved {
		return l.lookAgain(ctx, yield)
	}
	l.begun = true
	if goOn && !l.Done {
		l.PassOver(ctx, h, h.lines, h.bytes)
	}
	l.ended = h.last || l.Done
	return goOn
}

// lookAgain goes on with a log whose journal object went while it was read: what it held has been sealed, or is in a
// newer one. A follower does so with his next look.
func (l *reading) lookAgain(ctx context.Context, yield func(archive.Entry, error) bool) bool {
	const tries = 5
	l.text = nil
	if l.Query.Follow {
		return true
	}
	if l.moves++; l.moves > tries {
		l.ended = true
		yield(archive.Entry{}, fmt.Errorf("read log of %s: its journal changes while it is read: %w", l.Instance, archive.ErrGone))
		return false
	}
	return l.advance(ctx, yield)
}

// open opens the log where it is now, nil where no place is known: it is on its way to another replica.
func (l *reading) open(ctx context.Context) (*opened, error) {
	if l.log != nil {
		s, err := l.log.Snapshot(l.Needed())
		if err == nil {
			return &opened{s, s.Lines, s.Bytes, s.Ended}, nil
		}
		if !errors.Is(err, archive.ErrGone) {
			return nil, err
		}
		if err := l.resolve(ctx); err != nil {
			return nil, err
		}
	}
	if record := l.status.Log; record != nil {
		o, x, err := l.reader.sealedAs(ctx, l.Instance, record)
		if damage, ok := errors.AsType[*archive.DamageError](err); ok {
			rest := &salvage{reader: l.reader, instance: l.Instance, key: record.Key, lines: record.Lines, index: damage.Err}
			return &opened{rest, record.Lines, record.Bytes, true}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read log of %s: %w", l.Instance, err)
		}
		return &opened{o, x.Summary.Lines, x.Summary.Bytes, true}, nil
	}
	if l.text != nil {
		return &opened{heldText{l.text}, l.text.Lines, l.text.Bytes, l.text.Ended}, nil
	}
	return nil, nil
}

// openElsewhere opens a log that another replica has taken, or that this process has taken anew from a journal. Between
// the two all of it is in the journal of this process, which has handed it over.
func (l *reading) openElsewhere(ctx context.Context) (*opened, error) {
	if l.ended {
		return nil, nil
	}
	t := l.pod.Target()
	f, err := l.reader.Find(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, p := range f.Pods {
		l.movedIn(p)
	}
	h, err := l.open(ctx)
	if err != nil || h != nil || l.ended {
		return h, err
	}
	pods, err := l.reader.InJournals(ctx, t, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		l.movedIn(p)
	}
	if h, err = l.open(ctx); err == nil && h == nil && !l.ended {
		err = fmt.Errorf("read log of %s: it is on its way to another replica: %w", l.Instance, archive.ErrGone)
	}
	return h, err
}

// movedIn is moved where the pod has the log.
func (l *reading) movedIn(p *find.FoundPod) {
	for _, record := range p.Instances {
		if record.ID() == l.Instance.ID() {
			l.moved(p, record)
		}
	}
}

// resolve finds where a log is that has left the spool. The record is in the spool before the log leaves it, the
// manifest in the store before the record does. Where there is neither the log was handed to another replica.
func (l *reading) resolve(ctx context.Context) error {
	record, ok, err := l.log.Record()
	if err == nil && ok {
		l.took(record)
		return nil
	}
	m, err := l.reader.ManifestAt(ctx, l.pod.ManifestKey())
	if errors.Is(err, archive.ErrNotFound) {
		l.log = nil
		return nil
	}
	if err != nil {
		return err
	}
	l.tookManifest(m)
	return nil
}

func (l *reading) tookManifest(m *archive.Manifest) {
	for i := range m.Instances {
		if m.Instances[i].ID() == l.Instance.ID() {
			l.took(m.Instances[i])
			return
		}
	}
	l.took(archive.InstanceRecord{Instance: *l.Instance, Verdict: archive.Lost, Reason: "the pod's manifest does not name it"})
}

// took goes on with what is kept of the log; where that is nothing it ends.
func (l *reading) took(record archive.InstanceRecord) {
	l.log, l.text = nil, nil
	l.status.InstanceRecord = record
	l.ended = record.Log == nil
}
