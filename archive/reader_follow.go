package archive

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// following is an answer that goes on with what comes. Owned by who ranges over it: it starts no goroutine.
type following struct {
	*answering
	wake, news  wakeup // a followed log changed; the spool has something else to tell
	noMore      <-chan struct{}
	nothingMore bool // noMore was closed
	watched     map[*Log]struct{}
	local       bool // a pod of the target is open in this process, which tells when that changes
	over        bool // no line will come but of the logs that are known
	passed      bool // each log was looked at once
	looked      time.Time
	failed      int // looks in a row that the store did not answer

	late   <-chan time.Time // the time after which no line before Query.Until comes any more; nil: there is none
	closed bool             // late has come
}

const (
	// breath is the time between two looks at a log that is being written: many followers of a busy log must not cost more
	// than the log.
	breath = 20 * time.Millisecond
	// mostFailed is how often a follower who knows nothing but the store asks a store that does not answer.
	mostFailed = 5
	// delay is how long a line may take from its container to here: by way of another replica's journal two of its intervals. A
	// follower waits for so long after Query.Until.
	delay = 10 * time.Second
)

// follow gives what is there, and then what comes, as Query.Follow says.
func (a *answering) follow(ctx context.Context, yield func(Entry, error) bool) {
	f := &following{
		answering: a, wake: newWakeup(), news: newWakeup(), noMore: a.query.NoMore, watched: map[*Log]struct{}{},
	}
	defer f.unwatch()
	if until := a.query.Until; !until.IsZero() {
		timer := time.NewTimer(time.Until(until) + delay)
		defer timer.Stop()
		f.late = timer.C
	}
	if s := a.reader.cfg.Spool; s != nil {
		defer s.subscribe(f.news, a.query.Target)()
	}
	told := f.begunAll()
	if told { // before the first line, so that whoever gets no further than that knows where he began
		f.tell(f.logs)
	}
	for look := true; ; {
		if !f.advance(ctx, yield) || a.budget.full() || f.over && f.ended() || f.closed && !look {
			return
		}
		if !told {
			f.tell(f.logs)
			told = true
		}
		if look {
			if err := f.refresh(ctx); err != nil {
				yield(Entry{}, err)
				return
			}
			look = false
			continue
		}
		var err error
		if look, err = f.wait(ctx); err != nil {
			yield(Entry{}, err)
			return
		}
	}
}

// advance gives what came of each log. A log is watched before it is read, so that nothing comes unheard in between.
func (f *following) advance(ctx context.Context, yield func(Entry, error) bool) bool {
	f.looked = time.Now()
	ended := false
	for _, l := range f.logs {
		if l.ended {
			continue
		}
		if l.log != nil {
			if _, ok := f.watched[l.log]; !ok {
				f.watched[l.log] = struct{}{}
				l.log.watch(f.wake)
			}
		}
		if f.budget.full() || !l.advance(ctx, yield) {
			return false
		}
		if ended = ended || l.ended; !f.passed {
			f.marks(l)
		}
	}
	if f.passed = true; ended {
		f.marks(nil)
	}
	return true
}

// begunAll: it is known where each log begins.
func (f *following) begunAll() bool {
	return !slices.ContainsFunc(f.logs, func(l *reading) bool { return !l.begun })
}

func (f *following) unwatch() {
	for l := range f.watched {
		l.unwatch(f.wake)
	}
}

func (f *following) ended() bool {
	for _, l := range f.logs {
		if !l.ended {
			return false
		}
	}
	return true
}

// wait waits until something is new. look: it may be more than lines.
func (f *following) wait(ctx context.Context) (look bool, err error) {
	var poll <-chan time.Time
	// Of a workload's next Job, which may be another replica's, nobody here hears.
	if !f.local || f.failed > 0 || f.astray() || f.query.Target.Workload != "" {
		timer := time.NewTimer(f.reader.cfg.Poll)
		defer timer.Stop()
		poll = timer.C
	}
	select {
	case <-f.wake:
		return false, f.breathe(ctx)
	case <-f.news:
		return true, nil
	case <-poll:
		return true, nil
	case <-f.noMore:
		f.noMore, f.nothingMore = nil, true
		return true, nil
	case <-f.late:
		f.closed = true
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// breathe waits where the last look was a moment ago.
func (f *following) breathe(ctx context.Context) error {
	if rest := breath - time.Since(f.looked); rest > 0 {
		return sleep(ctx, rest)
	}
	return nil
}

// astray: a log is not in this process, and not at its end.
func (f *following) astray() bool {
	for _, l := range f.logs {
		if l.log == nil && !l.ended {
			return true
		}
	}
	return false
}

// refresh looks for instances that are new, and for what became of those that are known. While this process has the logs
// itself a store that does not answer ends nothing.
func (f *following) refresh(ctx context.Context) error {
	found, err := f.lookTogether(ctx)
	if err != nil {
		f.failed++
		if ctx.Err() != nil || !f.local && f.failed >= mostFailed {
			return err
		}
		return nil
	}
	found = found.within(f.query.Within)
	f.failed, f.local = 0, false
	for _, p := range found.pods {
		f.local = f.local || p.logs != nil
		for _, record := range p.Instances {
			if l := f.known[record.ID()]; l != nil {
				l.moved(p, record)
			}
		}
	}
	known := len(f.logs)
	f.take(found, nil)
	if err := f.reserve(ctx); err != nil {
		return err
	}
	f.marks(nil)
	if known < len(f.logs) {
		f.tell(f.logs[known:])
	}
	f.over = found.over(f.query, f.nothingMore)
	return nil
}

// lookTogether is findTogether in the reader's turn.
func (f *following) lookTogether(ctx context.Context) (*found, error) {
	back, err := RoomOf(ctx).find(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	return f.reader.findTogether(ctx, f.query.Target)
}

// tell says where logs begin in the answer.
func (f *following) tell(logs []*reading) {
	if f.query.Begun == nil {
		return
	}
	starts := make(map[LogID]int64, len(logs))
	for _, l := range logs {
		if f.progress == nil || !f.progress.pods[l.pod.PodUID].done { // a mark covers it
			starts[l.instance.ID()] = l.start
		}
	}
	f.query.Begun(starts)
}

// findTogether is find for followers of the same target: those that heard of the same news share what one of them finds.
func (r *Finder) findTogether(ctx context.Context, t Target) (*found, error) {
	if r.cfg.Spool == nil {
		return r.find(ctx, t)
	}
	key := fmt.Sprintf("%+v %d", t, r.cfg.Spool.told.Load())
	v, err, shared := r.finding.Do(key, func() (any, error) { return r.find(ctx, t) })
	if err != nil && shared && ctx.Err() == nil {
		return r.find(ctx, t) // the one that looked may have been given up
	}
	if err != nil {
		return nil, err
	}
	return v.(*found), nil
}

// over: no line will come but of the logs that are known. nothingMore: nobody will make another pod.
func (f *found) over(q *Query, nothingMore bool) bool {
	pods := len(f.pods) > 0
	switch {
	case slices.ContainsFunc(f.pods, func(p *foundPod) bool { return !p.sealed }):
		return false
	case q.Target.Pod != "" || nothingMore:
		return pods
	default:
		return f.documented() && (q.More == nil || !q.More())
	}
}

// documented: all Jobs have their documents.
func (f *found) documented() bool {
	for _, job := range f.jobs {
		if !job.document {
			return false
		}
	}
	return len(f.jobs) > 0
}

// moved goes on with a log where it is now.
func (l *reading) moved(p *foundPod, record InstanceRecord) {
	record = p.settled(record)
	switch {
	case l.ended || l.log != nil || l.status.Log != nil: // an open log tells itself
		return
	case record.Log != nil || p.sealed || record.Verdict != "":
		l.took(record)
	case p.logs[record.ID()] != nil:
		l.log, l.text = p.logs[record.ID()], nil
	case p.journal[record.ID()] != nil:
		l.text = p.journal[record.ID()]
	default:
		return
	}
	if !l.held { // what was known of it before it started does not name its container
		l.held, l.instance = true, &record.Instance
	}
}
