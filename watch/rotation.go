package watch

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// rotationWatch finds files that the kubelet skipped. A reader that falls behind while the kubelet rotates twice is taken
// from the old file straight to the newest, without a word. So while a stream is busy the minder looks at the first
// record of the file that is written now: each one must turn up in the stream, and one that does not is a gap.
type rotationWatch struct {
	total atomic.Int64 // bytes that streams brought
	lag   atomic.Int64 // how much later than usual a line came since the last look, at most; ns

	timed bool  // a line came
	usual int64 // the least time between a line's stamp and its coming, as clocks differ; both owned by the follower

	mu          sync.Mutex
	lookedAt    time.Time // guarded by mu; the last look, or the start of the stream
	lookedTotal int64     // guarded by mu; total at that time

	latest int64         // guarded by mu; the first record's time at the last look
	paused bool          // guarded by mu; looking was interrupted since
	news   []firstRecord // guarded by mu; found and not taken up yet

	expected []firstRecord // owned by the follower
}

// firstRecord is a file's first record, by its time.
type firstRecord struct {
	time int64
	late bool // nobody looked before, or the stream stood still: another file may have come and gone unseen

	crossed  bool // the stream went past it
	after    int64
	from, to int64
}

// slack is how far a first record may lie out of order before it is missed.
const slack = 2 * time.Second

// looked takes what the minder saw.
func (r *rotationWatch) looked(first int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The first look counts too: the file may be the second one already, and be skipped later.
	if first != r.latest {
		r.news = append(r.news, firstRecord{time: first, late: r.paused})
	}
	r.latest, r.paused = first, false
}

// came notes how late a line came.
func (r *rotationWatch) came(stamp int64, now time.Time) {
	if stamp == 0 {
		return
	}
	late := now.UnixNano() - stamp
	if !r.timed || late < r.usual {
		r.timed, r.usual = true, late
	}
	if late -= r.usual; late > r.lag.Load() {
		r.lag.Store(late)
	}
}

// lags: lines came so late that the kubelet may be rotating ahead of the stream.
func (r *rotationWatch) lags() bool { return r.lag.Load() > int64(rotateLeast/2) }

// looking begins a look. Where lines came late and nobody looked for so long that the kubelet may have rotated twice,
// what is found is in doubt: it rotates every rotateLeast at most, and only what is written to.
func (r *rotationWatch) looking(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lags() && now.Sub(r.lookedAt) > rotateLeast {
		r.paused = true
	}
	r.lag.Store(0)
	r.lookedAt, r.lookedTotal = now, r.total.Load()
}

// opened: a stream begins, and what it begins with proves what was before.
func (r *rotationWatch) opened(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookedAt, r.lookedTotal = now, r.total.Load()
	r.lag.Store(0)
}

// due: enough has come since the last look for a rotation to be possible.
func (r *rotationWatch) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.total.Load() - r.lookedTotal
	return fresh >= probeBytes || fresh > 0 && r.lags()
}

// rotateLeast is the kubelet's default time between two looks at the size of logs.
const rotateLeast = 10 * time.Second

// pause says that nobody looked for a while.
func (r *rotationWatch) pause() {
	r.mu.Lock()
	r.paused = true
	r.mu.Unlock()
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

// meet looks for the first record in what is held, and for the place where it is or should have been.
func (f *Follower) meet(first *firstRecord) (met bool, err error) {
	total := f.log.Summary().Lines
	var n, at, before int64
	err = f.log.Held(first.time-int64(slack), func(line archive.Line) bool {
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
// between this one and the one before.
func (f *Follower) confirm(first firstRecord) {
	// Before the log's very first line no file can have been skipped.
	if first.late && first.after > 0 {
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
