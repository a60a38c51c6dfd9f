package read

import (
	"context"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/news"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/pause"
)

// following is an answer that goes on with what comes. Owned by who ranges over it: it starts no goroutine.
type following struct {
	*answering
	wake, news  news.Wakeup // a followed log changed; the spool has something else to tell
	noMore      <-chan struct{}
	nothingMore bool // noMore was closed
	watched     map[*spool.Log]struct{}
	local       bool // a pod of the target is open in this process, which tells when that changes
	over        bool // no line will come but of the logs that are known
	passed      bool // each log was looked at once
	looked      time.Time
	failed      int // looks in a row that the store did not answer

	late   <-chan time.Time // the time after which no line before Query.Until comes any more; nil: there is none
	closed bool             // late has come
}

const (
	// breath is the time between two looks at a log that is being written: many followers of a busy log must not cost
	// more than the log.
	breath = 20 * time.Millisecond
	// mostFailed is how often a follower who knows nothing but the store asks a store that does not answer.
	mostFailed = 5
	// delay is how long a line may take from its container to here: by way of another replica's journal two of its
	// intervals. A follower waits for so long after Query.Until.
	delay = 10 * time.Second
)

// follow gives what is there, and then what comes, as Query.Follow says.
func (a *answering) follow(ctx context.Context, yield func(archive.Entry, error) bool) {
	f := &following{
		answering: a, wake: news.NewWakeup(), news: news.NewWakeup(), noMore: a.query.NoMore, watched: map[*spool.Log]struct{}{},
	}
	defer f.unwatch()
	if until := a.query.Until; !until.IsZero() {
		timer := time.NewTimer(time.Until(until) + delay)
		defer timer.Stop()
		f.late = timer.C
	}
	if s := a.reader.Cfg.Spool; s != nil {
		defer s.Subscribe(f.news, a.query.Target)()
	}
	told := f.begunAll()
	if told { // before the first line, so that whoever gets no further than that knows where he began
		f.tell(f.logs)
	}
	for look := true; ; {
		if !f.advance(ctx, yield) || a.budget.Full() || f.over && f.ended() || f.closed && !look {
			return
		}
		if !told {
			f.tell(f.logs)
			told = true
		}
		if look {
			if err := f.refresh(ctx); err != nil {
				yield(archive.Entry{}, err)
				return
			}
			look = false
			continue
		}
		var err error
		if look, err = f.wait(ctx); err != nil {
			yield(archive.Entry{}, err)
			return
		}
	}
}

// advance gives what came of each log. A log is watched before it is read, so that nothing comes unheard in between.
func (f *following) advance(ctx context.Context, yield func(archive.Entry, error) bool) bool {
	f.looked = time.Now()
	ended := false
	for _, l := range f.logs {
		if l.ended {
			continue
		}
		if l.log != nil {
			if _, ok := f.watched[l.log]; !ok {
				f.watched[l.log] = struct{}{}
				l.log.Watch(f.wake)
			}
		}
		if f.budget.Full() || !l.advance(ctx, yield) {
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
		l.Unwatch(f.wake)
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
		timer := time.NewTimer(f.reader.Cfg.Poll)
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
		return pause.For(ctx, rest)
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

// refresh looks for instances that are new, and for what became of those that are known. While this process has the
// logs itself a store that does not answer ends nothing.
func (f *following) refresh(ctx context.Context) error {
	found, err := f.lookTogether(ctx)
	if err != nil {
		f.failed++
		if ctx.Err() != nil || !f.local && f.failed >= mostFailed {
			return err
		}
		return nil
	}
	found = found.Within(f.query.Within)
	f.failed, f.local = 0, false
	for _, p := range found.Pods {
		f.local = f.local || p.Logs != nil
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
	f.over = found.Over(f.query, f.nothingMore)
	return nil
}

// lookTogether is FindTogether in the reader's turn.
func (f *following) lookTogether(ctx context.Context) (*find.Found, error) {
	back, err := room.Of(ctx).Find(ctx)
	if err != nil {
		return nil, err
	}
	defer back()
	return f.reader.FindTogether(ctx, f.query.Target)
}

// tell says where logs begin in the answer.
func (f *following) tell(logs []*reading) {
	if f.query.Begun == nil {
		return
	}
	starts := make(map[archive.LogID]int64, len(logs))
	for _, l := range logs {
		if f.progress == nil || !f.progress.pods[l.pod.PodUID].done { // a mark covers it
			starts[l.Instance.ID()] = l.start
		}
	}
	f.query.Begun(starts)
}

// moved goes on with a log where it is now.
func (l *reading) moved(p *find.FoundPod, record archive.InstanceRecord) {
	record = p.Settled(record)
	switch {
	case l.ended || l.log != nil || l.status.Log != nil: // an open log tells itself
		return
	case record.Log != nil || p.Sealed || record.Verdict != "":
		l.took(record)
	case p.Logs[record.ID()] != nil:
		l.log, l.text = p.Logs[record.ID()], nil
	case p.Journal[record.ID()] != nil:
		l.text = p.Journal[record.ID()]
	default:
		return
	}
	if !l.held { // what was known of it before it started does not name its container
		l.held, l.Instance = true, &record.Instance
	}
}
