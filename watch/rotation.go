package watch

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// rotationWatch finds files that the kubelet skipped. A reader that falls behind while the kubelet rotates twice is taken
// from the old file straight to the newest, without a word. So while a stream is busy the minder looks at the first
// record of the file that is written now: each one must turn up in the stream, and one that does not is a gap. Where
// nobody looked for as long as two rotations take, a file may have come and gone unseen; then the times of the lines
// around the new file's start tell, for a file that was skipped leaves a hole of that length.
type rotationWatch struct {
	total atomic.Int64 // bytes that streams brought

	mu          sync.Mutex
	lookedAt    time.Time     // guarded by mu; when the last look began, or the stream
	lookedTotal int64         // guarded by mu; total at that time
	latest      int64         // guarded by mu; the first record's time at the last look; 0: nobody looked yet
	news        []firstRecord // guarded by mu; found and not taken up yet

	started  bool          // a stream was opened
	base     int64         // lines that were held then: rotations before it are the sentinel's affair
	expected []firstRecord // all three owned by the follower
}

// firstRecord is a file's first record, by its time.
type firstRecord struct {
	time int64
	late bool // nobody looked before for so long that another file may have come and gone unseen

	crossed  bool // the stream went past it
	after    int64
	from, to int64
}

// rotateLeast is the time between two rotations of a log: the kubelet's default time between two looks at the size of logs.
const rotateLeast = 10 * time.Second

// slack is how far a first record may lie out of order before it is missed.
const slack = 2 * time.Second

// looked takes what a look saw that began at the given time and byte.
func (r *rotationWatch) looked(first int64, began time.Time, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The first look counts too: the file may be the second one already, and be skipped later.
	if first != r.latest {
		r.news = append(r.news, firstRecord{time: first, late: time.Since(r.lookedAt) > rotateLeast})
	}
	r.latest, r.lookedAt, r.lookedTotal = first, began, total
}

// opened: a stream begins with so many lines held. What came since the last look is still to be looked at.
func (r *rotationWatch) opened(now time.Time, lines int64) {
	if !r.started {
		r.started, r.base = true, lines
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if total := r.total.Load(); r.lookedAt.IsZero() || total == r.lookedTotal {
		r.lookedAt, r.lookedTotal = now, total
	}
}

// due says that so many bytes have come since the last look that a rotation is likely, or, where the stream has ended, any
// and long after it. waited: the last look was long ago.
func (r *rotationWatch) due(ended bool) (due, waited bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.total.Load() - r.lookedTotal
	waited = time.Since(r.lookedAt) > rotateLeast
	return fresh >= probeBytes || ended && waited && fresh > 0, waited
}

// taken gives what the minder found since the last call.
func (r *rotationWatch) taken() []firstRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.news
	r.news = nil
	return news
}

// rotated takes up what the minder found. A first record that is held already is confirmed; one that the stream has
// passed is a gap; any other is expected.
func (f *Follower) rotated() error {
	for _, first := range f.rotation.taken() {
		met, err := f.meet(&first)
		if err != nil {
			return &spoolError{err}
		}
		if met {
			f.confirm(first)
		} else {
			f.rotation.expected = append(f.rotation.expected, first)
		}
	}
	return nil
}

// meet looks for the first record in what is held, and for the place where it is or should have been. It looks ever further
// back for the line before it.
func (f *Follower) meet(first *firstRecord) (met bool, err error) {
	for _, reach := range []time.Duration{rotateLeast, time.Hour, 1000 * time.Hour} {
		if met, err = f.meetSince(first, first.time-int64(reach)); err != nil || first.from != 0 || first.after == 0 {
			break
		}
	}
	return met, err
}

func (f *Follower) meetSince(first *firstRecord, since int64) (met bool, err error) {
	total := f.log.Summary().Lines
	var n, at, before int64
	first.crossed = false
	err = f.log.Held(since, func(line archive.Line) bool {
		switch {
		case met:
		case line.Time == first.time:
			met, at = true, n
			first.from, first.to = before, line.Time
		case line.Time > first.time && !first.crossed:
			first.crossed, at = true, n
			first.from, first.to = before, line.Time
		case !first.crossed:
			before = line.Time
		}
		n++
		return true
	})
	first.after = total - n + at
	return met, err
}

// expect compares a new line with the first records that are expected.
func (f *Follower) expect(line archive.Line) {
	left := f.rotation.expected[:0]
	for _, first := range f.rotation.expected {
		switch {
		case line.Time == first.time:
			first.cross(f, line)
			f.confirm(first)
			continue
		case line.Time > first.time && !first.crossed:
			first.cross(f, line)
		case line.Time > first.time+int64(slack):
			f.skipped(first)
			continue
		}
		left = append(left, first)
	}
	f.rotation.expected = left
}

// cross notes the place where the stream goes past the record.
func (r *firstRecord) cross(f *Follower, line archive.Line) {
	if r.crossed {
		return
	}
	r.crossed, r.from, r.to = true, f.tail.time(), line.Time
	if n := len(f.batch); n > 0 {
		r.from = f.batch[n-1].Time
	}
	r.after = f.log.Summary().Lines + int64(len(f.batch))
}

// confirm: the file was read from its first record. Where nobody looked before, a whole file may have come and gone
// between this one and the one before, in the time between the last line of that one and this record.
func (f *Follower) confirm(first firstRecord) {
	hole := time.Duration(first.to - first.from)
	if first.late && first.after > f.rotation.base && hole > rotateLeast-slack {
		f.gap(archive.Gap{
			AfterLine: first.after, From: first.from, To: first.to, Reason: archive.GapRotated, Unproven: true,
			Detail: "the log was rotated while its stream stood still, perhaps more than once",
		})
	}
}

func (f *Follower) skipped(first firstRecord) {
	f.gap(archive.Gap{
		AfterLine: first.after, From: first.from, To: first.to, Reason: archive.GapRotated,
		Detail: "the kubelet rotated the log while it was read too slowly, and a file was skipped",
	})
}

// settleRotation judges the first records that are still expected when a log has ended: what the stream went past and
// never met is a gap.
func (f *Follower) settleRotation() error {
	if err := f.rotated(); err != nil {
		return err
	}
	for _, first := range f.rotation.expected {
		met, err := f.meet(&first)
		switch {
		case err != nil:
			return &spoolError{err}
		case met:
			f.confirm(first)
		case first.crossed:
			f.skipped(first)
		}
	}
	f.rotation.expected = nil
	return nil
}
