package archive

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// answer puts the logs that a query names in their order.
func (r *Reader) answer(ctx context.Context, q *Query, f *found) (*Answer, error) {
	grep, err := q.Grep.compile() // once for all logs
	if err != nil {
		return nil, err
	}
	a := &answering{reader: r, query: q, grep: grep, budget: newBudget(q.LimitBytes), known: map[LogID]*reading{}}
	if grep != nil && grep.expr != nil {
		a.turn = &turn{slots: r.turns}
	}
	covered := map[PodUID]bool{}
	if q.Mark != nil {
		var ok bool
		if covered, ok = covers(q.Mark, f.pods); !ok {
			return nil, badQuery("Mark", q.Mark.Pods, "a mark of an answer whose pods are all known: ask anew")
		}
	}
	if q.Marked != nil {
		a.progress = &progress{pods: map[PodUID]*answeredPod{}}
	}
	a.take(f, covered)
	if err := a.reserve(ctx); err != nil {
		return nil, err
	}
	a.begun = true
	out := &Answer{Had: true, Over: f.over(q, false)}
	for _, l := range a.logs {
		out.Had = out.Had && l.had()
		out.Logs = append(out.Logs, l.status)
		out.Source = joinSources(out.Source, l.status.Source)
	}
	out.Entries = func(yield func(Entry, error) bool) { a.entries(ctx, yield) }
	if q.Follow {
		out.Entries = func(yield func(Entry, error) bool) { a.follow(ctx, yield) }
	}
	return out, nil
}

func joinSources(a, b Source) Source {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	default:
		return FromMixed
	}
}

// answering is an answer that is being read. Owned by who ranges over it.
type answering struct {
	reader *Reader
	query  *Query
	grep   *matcher // nil: every line
	turn   *turn
	budget *budget
	logs   []*reading
	known  map[LogID]*reading
	begun  bool // what is found from now on came after the answer had begun

	reserved int64 // bytes of the reader's allowance

	context  contextRoom
	progress *progress // nil: nobody asks how far it is
}

// take adds the instances that are new to the answer. Of covered pods all was had.
func (a *answering) take(f *found, covered map[PodUID]bool) {
	if a.progress != nil {
		a.progress.take(f.pods, covered)
	}
	for _, p := range a.attempts(f.pods) {
		for _, record := range pickInstances(p, a.query) {
			if a.known[record.ID()] != nil {
				continue
			}
			l := a.reading(p, record)
			if covered[p.Pod.PodUID] {
				l.begun, l.start, l.seen, l.ended = true, l.status.Lines, l.status.Lines, true
			}
			a.known[record.ID()] = l
			a.logs = append(a.logs, l)
			if a.progress != nil {
				at := a.progress.pods[p.Pod.PodUID]
				at.logs = append(at.logs, l)
			}
		}
	}
}

// attempts gives the pods that Query.Attempt names.
func (a *answering) attempts(pods []*foundPod) []*foundPod {
	n := a.query.Attempt
	if n == 0 {
		return pods
	}
	jobs := map[JobUID][]*foundPod{}
	for _, p := range pods {
		jobs[p.Pod.JobUID] = append(jobs[p.Pod.JobUID], p)
	}
	return slices.DeleteFunc(slices.Clone(pods), func(p *foundPod) bool {
		of := jobs[p.Pod.JobUID]
		at := n - 1
		if n < 0 {
			at = len(of) + n
		}
		return at < 0 || at >= len(of) || of[at] != p
	})
}

// pickInstances gives the pod's instances that the query names, in the order in which they started.
func pickInstances(p *foundPod, q *Query) []InstanceRecord {
	var all []InstanceRecord
	for _, i := range p.Instances {
		if (len(q.Containers) == 0 || slices.Contains(q.Containers, i.Container)) && (q.Restart == nil || i.Restart == *q.Restart) {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(a, b InstanceRecord) int {
		return cmp.Or(cmp.Compare(startOf(&a), startOf(&b)), cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Restart, b.Restart))
	})
	if q.Which == Every {
		return all
	}
	back := map[Which]int{Newest: 0, Previous: 1}[q.Which]
	restarts := map[string][]int{}
	for _, i := range all {
		restarts[i.Container] = append(restarts[i.Container], i.Restart)
	}
	return slices.DeleteFunc(all, func(i InstanceRecord) bool {
		of := slices.Sorted(slices.Values(restarts[i.Container]))
		return len(of) <= back || of[len(of)-1-back] != i.Restart
	})
}

// startOf is when the instance started; one that did not is last.
func startOf(r *InstanceRecord) int64 {
	if r.State.StartedAt.IsZero() {
		return math.MaxInt64
	}
	return r.State.StartedAt.UnixNano()
}

func rank(k ContainerKind) int {
	return slices.Index([]ContainerKind{KindInit, KindSidecar, KindMain, KindEphemeral}, k)
}

// reading is one log on its way to a consumer.
type reading struct {
	*sieve
	reader *Reader
	pod    PodRef
	status LogStatus
	log    *Log         // open in this process; nil: not, or no more
	text   *journalText // held by another replica; nil: not, or no more
	held   bool         // something of it was held when it was found
	begun  bool         // where the tail begins is known
	start  int64        // number of the line behind which the answer begins, once that is known
	ended  bool         // no further line will come
	moves  int          // how often it went from a journal object while that was read
}

func (a *answering) reading(p *foundPod, record InstanceRecord) *reading {
	record = p.settled(record)
	i := &record.Instance
	l := &reading{sieve: a.sieve(i), reader: a.reader, pod: p.Pod.PodRef, status: LogStatus{InstanceRecord: record}, held: true}
	switch {
	case record.Log != nil:
		l.status.Source, l.status.Lines, l.status.Bytes = FromArchive, record.Log.Lines, record.Log.Bytes
	case p.sealed || record.Verdict != "": // nothing is kept, and the verdict says why
	case p.logs[i.ID()] != nil:
		l.log = p.logs[i.ID()]
		sum := l.log.Summary()
		l.status.Lines, l.status.Bytes, l.status.Source = sum.Lines, sum.Bytes, FromLive
		l.status.Gaps, l.status.Seams = sum.Gaps, sum.Rotations
	case p.journal[i.ID()] != nil:
		l.text = p.journal[i.ID()]
		l.status.Lines, l.status.Bytes, l.status.Source = l.text.lines, l.text.bytes, FromJournal
	default: // it has not started yet, or nobody has told of it
		l.held = false
	}
	l.status.Replica = p.replica
	l.ended = record.Log == nil && (p.sealed || record.Verdict != "")
	if l.status.Lines == 0 {
		l.status.Source = ""
	}
	l.begin(a.begun || a.query.Whole)
	return l
}

// had says that all of it was had before the answer begins, and no further line will come.
func (l *reading) had() bool {
	return l.status.Verdict != "" && l.status.Lines <= max(l.start, l.seen)
}

// settled gives a record as it counts: what an open pod's draft calls never started may start yet.
func (p *foundPod) settled(record InstanceRecord) InstanceRecord {
	if !p.sealed && record.Verdict == NeverStarted {
		record.Verdict = ""
	}
	return record
}

// begin finds where in the log the answer begins, as far as that can be told before the log is read. late: the log
// came after the answer had begun, so that all of it counts. Who follows from the end begins behind what is there
// now, and not behind what is there when the log's turn comes: the place that he is told must hold every line that he
// was not given.
func (l *reading) begin(late bool) {
	q := l.query
	after, resumed := q.After[l.instance.ID()]
	switch {
	case resumed:
		l.begun, l.start = true, after
	case late, q.Tail == nil, !l.held:
		l.begun = true
	case q.Follow && *q.Tail == 0:
		l.begun, l.start = true, l.status.Lines
		l.passTo(l.start, l.status.Bytes)
	}
}
