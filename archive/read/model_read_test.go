package read_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
)

// query asks for something of a pod, a Job or the workload, in the words of one of the logs.
func (m *readerModel) query() archive.Query {
	p := m.pods[m.r.IntN(len(m.pods))]
	target := []archive.Target{
		{Workload: archivetest.Workload}, {Namespace: "ns", Job: p.ref.Job}, {Namespace: "ns", Job: p.ref.Job, JobUID: p.ref.JobUID},
		{Namespace: "ns", Pod: p.ref.Pod}, {Namespace: "ns", Pod: p.ref.Pod, PodUID: p.ref.PodUID},
	}[m.r.IntN(5)]
	l := &playedLog{}
	if c := p.containers[m.r.IntN(2)]; len(c.logs) > 0 {
		l = c.logs[0]
	}
	q := archive.Query{Target: target}
	if m.r.IntN(3) > 0 {
		q = archivetest.RandomQuery(m.r, target, l.i, l.lines)
	}
	if m.r.IntN(4) == 0 {
		q.Containers = []string{"main"}
	}
	q.After, q.LimitBytes = nil, 0
	return q
}

// wanted gives the logs that a query names.
func (m *readerModel) wanted(q *archive.Query) (all []*playedLog) {
	for _, p := range m.pods {
		if q.Target.Job != "" && p.ref.Job != q.Target.Job || q.Target.Pod != "" && p.ref.Pod != q.Target.Pod {
			continue
		}
		for _, c := range p.containers {
			if len(q.Containers) == 0 || slices.Contains(q.Containers, c.name) {
				all = append(all, c.logs...)
			}
		}
	}
	return all
}

// read compares an answer, in one piece and in pieces of several replicas, with what was written.
func (m *readerModel) read() {
	for _, l := range m.lives {
		l.Flush()
	}
	q := m.query()
	got := map[archive.LogID][]archive.Entry{}
	var whole []archive.Entry
	m.answer(q, -1, func(e archive.Entry) {
		whole = append(whole, e)
		got[e.Instance.ID()] = append(got[e.Instance.ID()], e)
	})
	for _, l := range m.wanted(&q) {
		if diff := archivetest.Difference(got[l.i.ID()], archivetest.Oracle(l.lines[:l.n], l.i, q)); diff != "" {
			m.t.Errorf("read %+v, %s: %s: %s", q.Target, archivetest.QueryText(q), l.i, diff)
		}
		delete(got, l.i.ID())
	}
	if len(got) > 0 {
		m.t.Errorf("read %+v: lines of %v, which were not asked for", q.Target, slices.Collect(maps.Keys(got)))
	}
	if diff := archivetest.Difference(m.pieces(q, len(whole)), whole); diff != "" {
		m.t.Errorf("read %+v in pieces, %s: %s", q.Target, archivetest.QueryText(q), diff)
	}
}

// pieces reads an answer that breaks off now and then, and goes on at any replica, with or without a mark.
func (m *readerModel) pieces(q archive.Query, all int) (pieces []archive.Entry) {
	after := map[archive.LogID]int64{}
	if m.r.IntN(2) == 0 {
		q.Marked = func(mark archive.Mark, done []archive.LogID) {
			q.Mark = &mark
			for _, id := range done {
				delete(after, id)
			}
		}
	}
	for len(pieces) < all {
		before := len(pieces)
		m.answer(q, 1+m.r.IntN(all), func(e archive.Entry) {
			after[e.Instance.ID()] = e.Number
			pieces = append(pieces, e)
		})
		if len(pieces) == before {
			break
		}
		q.After = maps.Clone(after)
	}
	return pieces
}

// answer gives the first lines of an answer of some replica; -1: all.
func (m *readerModel) answer(q archive.Query, most int, had func(archive.Entry)) {
	k, n := m.r.IntN(3), 0
	a, err := m.readers[k].Read(m.t.Context(), q)
	if err != nil {
		m.t.Errorf("read %+v at %d: %v", q.Target, k, err)
		return
	}
	for e, err := range a.Entries {
		m.must(err)
		e.Text = bytes.Clone(e.Text)
		had(e)
		if n++; n == most {
			break
		}
	}
}

// playedFollower is one that is cut off and comes back.
type playedFollower struct {
	q     archive.Query
	at    int // whose answer it reads
	marks bool
	had   map[archive.LogID][]archive.Entry
	begun map[archive.LogID]int64
	mark  *archive.Mark
	done  map[archive.LogID]bool // what the mark covers
	*follower
	leave context.CancelFunc
}

func (m *readerModel) follow() {
	if len(m.followers) > 6 {
		return
	}
	f := &playedFollower{q: m.query(), marks: m.r.IntN(2) == 0, had: map[archive.LogID][]archive.Entry{}, begun: map[archive.LogID]int64{}, done: map[archive.LogID]bool{}}
	if f.q.Tail = nil; m.r.IntN(3) == 0 {
		f.q.Tail = new(int64(0))
	}
	// Before its first nanosecond are only lines without a time, and with a time that has passed a follower ends soon:
	// those that come later are not promised.
	if f.q.Until.Equal(time.Unix(0, 1)) {
		f.q.Until = time.Time{}
	}
	f.q.More = func() bool { return !m.ending.Load() } // there may be one Job more
	for _, l := range m.lives {
		l.Flush() // each replica knows of all that is written
	}
	there := map[archive.LogID]int64{}
	for _, l := range m.wanted(&f.q) {
		there[l.i.ID()] = int64(l.n)
	}
	m.followers = append(m.followers, f)
	m.listen(f)
	m.note("a follower of %+v at %d, %s", f.q.Target, f.at, archivetest.QueryText(f.q))
	for id, n := range f.begun {
		if f.q.Tail != nil && n != there[id] {
			m.t.Errorf("a follower from the end begins behind line %d of %v, which has %d", n, id, there[id])
		}
	}
}

// listen has a follower go on where it was.
func (m *readerModel) listen(f *playedFollower) {
	f.at = m.r.IntN(3)
	q := f.q
	if f.marks {
		q.Marked = func(mark archive.Mark, done []archive.LogID) {
			f.mark = &mark
			for _, id := range done {
				f.done[id] = true
			}
		}
	}
	q.Begun = func(lines map[archive.LogID]int64) { maps.Copy(f.begun, lines) }
	if f.follower != nil {
		q.After, q.Whole = maps.Clone(f.begun), true
		for id, had := range f.had {
			q.After[id] = had[len(had)-1].Number
		}
		q.Mark = f.mark
		maps.DeleteFunc(q.After, func(id archive.LogID, _ int64) bool { return f.done[id] })
		known := maps.Clone(f.begun)
		q.Begun = func(lines map[archive.LogID]int64) {
			for id, n := range lines {
				if _, ok := known[id]; !ok {
					f.begun[id] = n
				}
			}
		}
	}
	var ctx context.Context
	ctx, f.leave = context.WithCancel(m.t.Context())
	f.follower = follow(ctx, m.t, m.readers[f.at], q, func() {})
	synctest.Wait()
}

// cut ends a follower's answer and keeps what it had.
func (m *readerModel) cut(f *playedFollower) {
	f.leave()
	<-f.ended
	m.keep(f)
	f.at = -1
}

func (m *readerModel) keep(f *playedFollower) {
	for _, e := range f.entries {
		f.had[e.Instance.ID()] = append(f.had[e.Instance.ID()], e)
	}
	f.entries = nil
}

// breakOff has a follower lose its answer, or come back.
func (m *readerModel) breakOff() {
	if len(m.followers) == 0 {
		return
	}
	f := m.followers[m.r.IntN(len(m.followers))]
	if f.at >= 0 {
		m.cut(f)
		return
	}
	for _, l := range m.lives {
		l.Flush()
	}
	m.listen(f)
}

// end brings everything to its end, and asks the followers what they had.
func (m *readerModel) end() {
	for _, p := range m.pods {
		if !p.over {
			m.sealAll(p)
			time.Sleep(time.Duration(m.r.IntN(4000)) * time.Millisecond)
		}
	}
	for _, p := range m.pods {
		m.finishJob(p)
	}
	m.ending.Store(true)
	for n, f := range m.followers {
		if f.at < 0 {
			m.listen(f)
		}
		select {
		case <-f.ended:
		case <-time.After(time.Hour):
			m.t.Errorf("follower %d does not end", n)
			m.cut(f)
		}
		m.keep(f)
		if f.err != nil {
			m.t.Errorf("follower %d: %v", n, f.err)
		}
		for _, l := range m.wanted(&f.q) {
			q := f.q
			q.Tail = nil
			want := archivetest.Oracle(l.lines[:l.n], l.i, q)
			if f.q.Tail != nil {
				want = slices.DeleteFunc(want, func(e archive.Entry) bool { return e.Number <= f.begun[l.i.ID()] })
			}
			if diff := archivetest.Difference(f.had[l.i.ID()], want); diff != "" {
				m.t.Errorf("follower %d of %+v, %s, %s: %s", n, f.q.Target, archivetest.QueryText(f.q), l.i, diff)
			}
		}
	}
	m.note("%d pods, %d followers", len(m.pods), len(m.followers))
}
