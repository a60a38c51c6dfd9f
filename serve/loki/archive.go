package loki

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// This file is where the archive's words become those of this package. What is told of it elsewhere goes through here.

// shelf is what the archive gives.
type shelf struct {
	reader *read.Reader
	store  archive.Store // for the indexes of log objects, which say how many lines lie where
}

// jobName names a Job of which nothing was read.
type jobName = find.JobName

// names lists the Jobs that can have lines between two times: those of the days between, and of some days before, and
// all that are open.
func (s *shelf) names(ctx context.Context, namespace string, from, to time.Time) iter.Seq2[jobName, error] {
	return s.reader.Names(ctx, archive.JobQuery{Namespace: namespace, Since: from.Add(-longestJob), Until: to})
}

// reserve takes memory of the caller's until his answer is given.
func reserve(ctx context.Context, bytes int64) error { return room.Of(ctx).Reserve(bytes) }

// load reads what is kept of a Job; settled says that nothing of that will change. It is nil where nothing is there any
// more.
func (s *shelf) load(ctx context.Context, n *jobName) (job *keptJob, settled bool, err error) {
	kept, err := s.reader.Named(ctx, *n)
	if err != nil || kept == nil {
		return nil, false, err
	}
	job = newJob(kept)
	if kept.Open {
		return job, false, s.loadOpen(ctx, kept, job)
	}
	lastSeal := time.Time{}
	for i, pod := range kept.Document.Pods {
		ref := kept.PodRef
		ref.Pod, ref.PodUID = pod.Name, pod.UID
		m, _, err := s.reader.Manifest(ctx, ref)
		if err != nil {
			return nil, false, err
		}
		if m.SealedAt.After(lastSeal) {
			lastSeal = m.SealedAt
		}
		for n := range m.Instances {
			job.add(m, &m.Instances[n], i+1)
		}
	}
	return job, kept.Finished || kept.Job == "" && time.Since(lastSeal) > find.QuietAfter, nil
}

// loadOpen asks for the logs of a Job some of which are open.
func (s *shelf) loadOpen(ctx context.Context, kept *archive.KeptJob, job *keptJob) error {
	ctx, done := inPassing(ctx)
	defer done()
	answer, err := s.reader.Read(ctx, archive.Query{Target: kept.JobTarget()})
	if err != nil {
		return err
	}
	attempts := map[archive.PodUID]int{}
	for i, pod := range kept.Document.Pods {
		attempts[pod.UID] = i + 1
	}
	for i := range answer.Logs {
		status := &answer.Logs[i]
		m := &archive.Manifest{Pod: archive.PodSummary{PodRef: status.PodRef}, Workloads: kept.Document.Workloads}
		l := job.add(m, &status.InstanceRecord, max(attempts[status.PodUID], 1))
		if status.Log == nil {
			l.lines, l.bytes = status.Lines, status.Bytes
		}
	}
	return nil
}

// inPassing has what is read with the context give its memory back when that is done, and not with the whole answer.
func inPassing(ctx context.Context) (within context.Context, done func()) {
	beside := room.Of(ctx).Beside()
	return room.WithRoom(ctx, beside), beside.Close
}

// line is one line of a log as it is kept.
type line struct {
	at     int64 // of one without a time that of the line before
	number int64
	text   []byte // good until the next line
}

// lines gives the lines of a log with from <= time < to, in their order. What cannot be read is told by damaged, and
// the lines behind it follow. stop ends it without an error.
func (s *shelf) lines(ctx context.Context, l *keptLog, q *span, take func(*line) (goOn bool)) error {
	ctx, done := inPassing(ctx)
	defer done()
	answer, err := s.read(ctx, l, q)
	if err != nil {
		return fmt.Errorf("read log of %s: %w", l.instance, err)
	}
	at := max(l.from, q.from)
	for e, err := range answer.Entries {
		if damage, ok := asDamage(err); ok {
			if q.damaged != nil {
				q.damaged(note{at: damage.From, after: damage.AfterLine, kind: kindDamage, reason: "damaged", text: damage.Error()})
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read log of %s: %w", l.instance, err)
		}
		if e.Time != 0 {
			at = e.Time
		}
		if !take(&line{at, e.Number, e.Text}) {
			return nil
		}
	}
	return nil
}

// span says which lines of a log are wanted: by their times, or by their numbers.
type span struct {
	from, to          int64            // ns since 1970; to: exclusive. Both 0: any
	firstLine, toLine int64            // counted from 1, both included; 0: no bound
	tail              *int64           // of the lines that are there only the last ones; nil: all
	follow            bool             // go on with what comes
	find              func([]byte) int // as archive.Query's; nil: every line is wanted
	damaged           func(note)
}

func (s *shelf) read(ctx context.Context, l *keptLog, q *span) (*archive.Answer, error) {
	query := archive.Query{
		Containers: []string{l.instance.Container}, Restart: &l.instance.Restart,
		FirstLine: q.firstLine, LastLine: q.toLine, Tail: q.tail, Follow: q.follow, Find: q.find,
	}
	if q.from > 0 {
		query.Since = time.Unix(0, q.from)
	}
	if q.to > 0 && q.to < math.MaxInt64 {
		query.Until = time.Unix(0, q.to)
	}
	if l.open {
		query.Target = l.instance.Target()
		return s.reader.Read(ctx, query)
	}
	record := archive.InstanceRecord{Instance: l.instance, Verdict: archive.Verdict(l.verdict)}
	if l.key != "" {
		record.Log = &archive.LogRecord{Key: l.key, Lines: l.lines, Bytes: l.bytes, Size: l.size, SHA256: l.sum}
	}
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: l.instance.PodRef}, Instances: []archive.InstanceRecord{record}}
	return s.reader.ReadKept(ctx, m, query)
}

func asDamage(err error) (*archive.DamageError, bool) {
	return errors.AsType[*archive.DamageError](err)
}

// gone says that what was listed is not there any more, or cannot be read and never will: verify tells of that.
func gone(err error) bool {
	return errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrDamaged)
}

// frames gives what the index of a sealed log says of its frames; nil where it cannot be read, as a damaged one.
func (s *shelf) frames(ctx context.Context, l *keptLog) ([]format.IndexFrame, error) {
	x, err := format.ReadIndex(ctx, s.store, l.key)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read index of %s: %w", l.key, err)
	}
	return x.Frames, nil
}

// follow gives the lines of a log from a time on, of those that are there the last limit, 0: all, and of an open one
// those that come, until its pod is sealed.
func (s *shelf) follow(ctx context.Context, l *keptLog, from, limit int64, take func(*line) (goOn bool), damaged func(note)) error {
	q := &span{from: from, follow: l.open, damaged: damaged}
	if limit > 0 {
		q.tail = &limit
	}
	return s.lines(ctx, l, q, take)
}
