package archive

import (
	"context"
	"errors"
	"fmt"
)

// opened is a holding and how far it goes.
type opened struct {
	holding
	lines, bytes int64 // of the log, as the holding knows it; bytes -1: not known
	last         bool  // no line comes after it
}

// entries gives what is there.
func (a *answering) entries(ctx context.Context, yield func(Entry, error) bool) {
	for _, l := range a.logs {
		if a.budget.full() || !l.advance(ctx, yield) {
			return
		}
		a.marks(l)
	}
}

// advance gives what came since the last time. It returns false where the answer is at its end: the consumer has had enough,
// or was given an error that ends it.
func (l *reading) advance(ctx context.Context, yield func(Entry, error) bool) bool {
	defer func() {
		if l.ended || !l.query.Follow {
			l.before.forget()
		}
	}()
	if l.ended || l.done {
		l.ended = true
		return true
	}
	if kept := l.status.Log; kept != nil && l.seen >= kept.Lines {
		l.ended = true // nothing is behind the place from which it goes on
		return true
	}
	h, err := l.open(ctx)
	if err == nil && h == nil && !l.query.Follow && l.held {
		h, err = l.openElsewhere(ctx)
	}
	if err != nil {
		l.ended = true
		return yield(Entry{}, err) && isDamage(err)
	}
	if h == nil {
		return true // nothing is kept of it, or a follower looks up what became of it
	}
	defer h.close()
	moved := false
	goOn := l.run(ctx, h.holding, !l.begun && l.query.Tail != nil, func(e Entry, err error) bool {
		if moved = l.begun && l.text != nil && err != nil && errors.Is(err, ErrNotFound) && !isDamage(err); moved {
			return false
		}
		return yield(e, err)
	})
	if moved {
		return l.lookAgain(ctx, yield)
	}
	l.begun = true
	if goOn && !l.done {
		p := newPick(l.sieve, h)
		p.passOver(ctx, h.lines, h.bytes)
	}
	l.ended = h.last || l.done
	return goOn
}

// lookAgain goes on with a log whose journal object went while it was read: what it held has been sealed, or is in a
// newer one. A follower does so with his next look.
func (l *reading) lookAgain(ctx context.Context, yield func(Entry, error) bool) bool {
	const tries = 5
	l.text = nil
	if l.query.Follow {
		return true
	}
	if l.moves++; l.moves > tries {
		l.ended = true
		yield(Entry{}, fmt.Errorf("read log of %s: its journal changes while it is read: %w", l.instance, ErrGone))
		return false
	}
	return l.advance(ctx, yield)
}

// open opens the log where it is now, nil where no place is known: it is on its way to another replica.
func (l *reading) open(ctx context.Context) (*opened, error) {
	if l.log != nil {
		s, err := l.log.snapshot(l.needed())
		if err == nil {
			return &opened{s, s.lines, s.bytes, s.ended}, nil
		}
		if !errors.Is(err, ErrGone) {
			return nil, err
		}
		if err := l.resolve(ctx); err != nil {
			return nil, err
		}
	}
	if record := l.status.Log; record != nil {
		o, x, err := l.reader.sealedAs(ctx, l.instance, record)
		if damage, ok := errors.AsType[*DamageError](err); ok {
			rest := &salvage{reader: l.reader, instance: l.instance, key: record.Key, lines: record.Lines, index: damage.Err}
			return &opened{rest, record.Lines, record.Bytes, true}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read log of %s: %w", l.instance, err)
		}
		return &opened{o, x.Summary.Lines, x.Summary.Bytes, true}, nil
	}
	if l.text != nil {
		return &opened{heldText{l.text}, l.text.lines, l.text.bytes, l.text.ended}, nil
	}
	return nil, nil
}

// needed gives the position from which lines are wanted. A line without a time needs the ones before it, and so do
// lines after a match that was had.
func (l *reading) needed() (lines, raw int64) {
	if l.timed() && !l.atKnown || l.recall {
		return 0, 0
	}
	return l.seen, l.raw
}

// openElsewhere opens a log that another replica has taken, or that this process has taken anew from a journal. Between the two all of it
// is in the journal of this process, which has handed it over.
func (l *reading) openElsewhere(ctx context.Context) (*opened, error) {
	if l.ended {
		return nil, nil
	}
	t := Target{Namespace: l.pod.Namespace, Pod: l.pod.Pod, PodUID: l.pod.PodUID}
	f, err := l.reader.find(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, p := range f.pods {
		l.movedIn(p)
	}
	h, err := l.open(ctx)
	if err != nil || h != nil || l.ended {
		return h, err
	}
	pods, err := l.reader.inJournals(ctx, t, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		l.movedIn(p)
	}
	if h, err = l.open(ctx); err == nil && h == nil && !l.ended {
		err = fmt.Errorf("read log of %s: it is on its way to another replica: %w", l.instance, ErrGone)
	}
	return h, err
}

// movedIn is moved where the pod has the log.
func (l *reading) movedIn(p *foundPod) {
	for _, record := range p.Instances {
		if record.ID() == l.instance.ID() {
			l.moved(p, record)
		}
	}
}

// resolve finds where a log is that has left the spool. The record is in the spool before the log leaves it, the manifest in
// the store before the record does. Where there is neither the log was handed to another replica.
func (l *reading) resolve(ctx context.Context) error {
	record, ok, err := l.log.Record()
	if err == nil && ok {
		l.took(record)
		return nil
	}
	m, err := l.reader.manifestAt(ctx, l.pod.ManifestKey())
	if errors.Is(err, ErrNotFound) {
		l.log = nil
		return nil
	}
	if err != nil {
		return err
	}
	l.tookManifest(m)
	return nil
}

func (l *reading) tookManifest(m *Manifest) {
	for i := range m.Instances {
		if m.Instances[i].ID() == l.instance.ID() {
			l.took(m.Instances[i])
			return
		}
	}
	l.took(InstanceRecord{Instance: *l.instance, Verdict: Lost, Reason: "the pod's manifest does not name it"})
}

// took goes on with what is kept of the log; where that is nothing it ends.
func (l *reading) took(record InstanceRecord) {
	l.log, l.text = nil, nil
	l.status.InstanceRecord = record
	l.ended = record.Log == nil
}
