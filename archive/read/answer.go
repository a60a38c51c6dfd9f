package read

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/archive/sieve"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// answer puts the logs that a query names in their order.
func (r *Reader) answer(ctx context.Context, q *archive.Query, f *find.Found) (*archive.Answer, error) {
	grep, err := q.Grep.Compile() // once for all logs
	if err != nil {
		return nil, err
	}
	a := &answering{reader: r, query: q, grep: grep, budget: sieve.NewBudget(q.LimitBytes), known: map[archive.LogID]*reading{}}
	if grep != nil && grep.Expr != nil {
		a.turn = sieve.NewTurn(r.turns)
	}
	covered := map[archive.PodUID]bool{}
	if q.Mark != nil {
		var ok bool
		if covered, ok = covers(q.Mark, f.Pods); !ok {
			return nil, archive.BadQuery("Mark", q.Mark.Pods, "a mark of an answer whose pods are all known: ask anew")
		}
	}
	if q.Marked != nil {
		a.progress = &progress{pods: map[archive.PodUID]*answeredPod{}}
	}
	a.take(f, covered)
	if err := a.reserve(ctx); err != nil {
		return nil, err
	}
	a.begun = true
	out := &archive.Answer{Had: true, Over: f.Over(q, false)}
	for _, l := range a.logs {
		out.Had = out.Had && l.had()
		out.Logs = append(out.Logs, l.status)
		out.Source = joinSources(out.Source, l.status.Source)
	}
	out.Entries = func(yield func(archive.Entry, error) bool) { a.entries(ctx, yield) }
	if q.Follow {
		out.Entries = func(yield func(archive.Entry, error) bool) { a.follow(ctx, yield) }
	}
	return out, nil
}

func joinSources(a, b archive.Source) archive.Source {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	default:
		return archive.FromMixed
	}
}

// answering is an answer that is being read. Owned by who ranges over it.
type answering struct {
	reader *Reader
	query  *archive.Query
	grep   *archive.Matcher // nil: every line
	turn   *sieve.Turn
	budget *sieve.Budget
	logs   []*reading
	known  map[archive.LogID]*reading
	begun  bool // what is found from now on came after the answer had begun

	reserved int64 // bytes of the reader's allowance

	context  sieve.ContextRoom
	progress *progress // nil: nobody asks how far it is
}

// take adds the instances that are new to the answer. Of covered pods all was had.
func (a *answering) take(f *find.Found, covered map[archive.PodUID]bool) {
	if a.progress != nil {
		a.progress.take(f.Pods, covered)
	}
	for _, p := range a.attempts(f.Pods) {
		for _, record := range pickInstances(p, a.query) {
			if a.known[record.ID()] != nil {
				continue
			}
			l := a.reading(p, record)
			if covered[p.Pod.PodUID] {
				l.begun, l.start, l.Seen, l.ended = true, l.status.Lines, l.status.Lines, true
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
func (a *answering) attempts(pods []*find.FoundPod) []*find.FoundPod {
	n := a.query.Attempt
	if n == 0 {
		return pods
	}
	jobs := map[archive.JobUID][]*find.FoundPod{}
	for _, p := range pods {
		jobs[p.Pod.JobUID] = append(jobs[p.Pod.JobUID], p)
	}
	return slices.DeleteFunc(slices.Clone(pods), func(p *find.FoundPod) bool {
		of := jobs[p.Pod.JobUID]
		at := n - 1
		if n < 0 {
			at = len(of) + n
		}
		return at < 0 || at >= len(of) || of[at] != p
	})
}

// pickInstances gives the pod's instances that the query names, in the order in which they started.
func pickInstances(p *find.FoundPod, q *archive.Query) []archive.InstanceRecord {
	var all []archive.InstanceRecord
	for _, i := range p.Instances {
		if (len(q.Containers) == 0 || slices.Contains(q.Containers, i.Container)) && (q.Restart == nil || i.Restart == *q.Restart) {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(a, b archive.InstanceRecord) int {
		return cmp.Or(cmp.Compare(startOf(&a), startOf(&b)), cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Restart, b.Restart))
	})
	if q.Which == archive.Every {
		return all
	}
	back := map[archive.Which]int{archive.Newest: 0, archive.Previous: 1}[q.Which]
	restarts := map[string][]int{}
	for _, i := range all {
		restarts[i.Container] = append(restarts[i.Container], i.Restart)
	}
	return slices.DeleteFunc(all, func(i archive.InstanceRecord) bool {
		of := slices.Sorted(slices.Values(restarts[i.Container]))
		return len(of) <= back || of[len(of)-1-back] != i.Restart
	})
}

// startOf is when the instance started; one that did not is last.
func startOf(r *archive.InstanceRecord) int64 {
	if r.State.StartedAt.IsZero() {
		return math.MaxInt64
	}
	return r.State.StartedAt.UnixNano()
}

func rank(k archive.ContainerKind) int {
	return slices.Index([]archive.ContainerKind{archive.KindInit, archive.KindSidecar, archive.KindMain, archive.KindEphemeral}, k)
}

// reading is one log on its way to a consumer.
type reading struct {
	*sieve.Sieve
	reader *Reader
	pod    archive.PodRef
	status archive.LogStatus
	log    *spool.Log      // open in this process; nil: not, or no more
	text   *find.Journaled // held by another replica; nil: not, or no more
	held   bool            // something of it was held when it was found
	begun  bool            // where the tail begins is known
	start  int64           // number of the line behind which the answer begins, once that is known
	ended  bool            // no further line will come
	moves  int             // how often it went from a journal object while that was read
}

func (a *answering) reading(p *find.FoundPod, record archive.InstanceRecord) *reading {
	record = p.Settled(record)
	i := &record.Instance
	l := &reading{Sieve: a.sieve(i), reader: a.reader, pod: p.Pod.PodRef, status: archive.LogStatus{InstanceRecord: record}, held: true}
	switch {
	case record.Log != nil:
		l.status.Source, l.status.Lines, l.status.Bytes = archive.FromArchive, record.Log.Lines, record.Log.Bytes
	case p.Sealed || record.Verdict != "": // nothing is kept, and the verdict says why
	case p.Logs[i.ID()] != nil:
		l.log = p.Logs[i.ID()]
		sum := l.log.Summary()
		l.status.Lines, l.status.Bytes, l.status.Source = sum.Lines, sum.Bytes, archive.FromLive
		l.status.Gaps, l.status.Seams = sum.Gaps, sum.Rotations
	case p.Journal[i.ID()] != nil:
		l.text = p.Journal[i.ID()]
		l.status.Lines, l.status.Bytes, l.status.Source = l.text.Lines, l.text.Bytes, archive.FromJournal
	default: // it has not started yet, or nobody has told of it
		l.held = false
	}
	l.status.Replica = p.Replica
	l.ended = record.Log == nil && (p.Sealed || record.Verdict != "")
	if l.status.Lines == 0 {
		l.status.Source = ""
	}
	l.begin(a.begun || a.query.Whole)
	return l
}

// had says that all of it was had before the answer begins, and no further line will come.
func (l *reading) had() bool {
	return l.status.Verdict != "" && l.status.Lines <= max(l.start, l.Seen)
}

// begin finds where in the log the answer begins, as far as that can be told before the log is read. late: the log
// came after the answer had begun, so that all of it counts. Who follows from the end begins behind what is there
// now, and not behind what is there when the log's turn comes: the place that he is told must hold every line that he
// was not given.
func (l *reading) begin(late bool) {
	q := l.Query
	after, resumed := q.After[l.Instance.ID()]
	switch {
	case resumed:
		l.begun, l.start = true, after
	case late, q.Tail == nil, !l.held:
		l.begun = true
	case q.Follow && *q.Tail == 0:
		l.begun, l.start = true, l.status.Lines
		l.PassTo(l.start, l.status.Bytes)
	}
}

func (a *answering) sieve(i *archive.Instance) *sieve.Sieve {
	s := sieve.New(a.query, i, sieve.Shared{Grep: a.grep, Budget: a.budget, Turn: a.turn, Context: &a.context})
	s.PassTo(a.query.After[i.ID()], -1)
	return s
}

const answerBytes = 128 << 10 // buffers of the connection and of the answer

const grepBytes = 384 << 10 // of the largest expression

const logBytes = 8 << 10 // what is known of a log, and how far it was read

const placeBytes = 160 // where a frame is, in an index and as a section

// room is what the answer holds at most for as long as it lasts.
func (a *answering) room() int64 {
	bytes, longest := int64(answerBytes), int64(0)
	for _, l := range a.logs {
		longest = max(longest, l.status.Bytes)
	}
	bytes += int64(len(a.logs))*logBytes + longest/format.FrameTarget*placeBytes
	if a.grep != nil {
		log := min(archive.MaxContextBytes, int64(a.grep.Before)*(format.PieceBytes+sieve.ContextEntry))
		bytes += grepBytes + min(sieve.MaxContextRoom, int64(len(a.logs))*log)
	}
	return bytes
}

// reserve takes what the logs that have just come take besides.
func (a *answering) reserve(ctx context.Context) error {
	more := a.room() - a.reserved
	if err := room.Of(ctx).Reserve(more); err != nil {
		return err
	}
	a.reserved += more
	return nil
}
