package follow

import (
	"sync"
	"sync/atomic"
	"time"
)

// rotationWatch finds files that the kubelet skipped. A reader that falls behind while the kubelet rotates twice is
// taken from the old file straight to the newest, without a word. So while a stream is busy the minder looks at the
// first record of the file that is written now: each one must turn up in the stream, and one that does not is a gap.
// Where nobody looked for as long as two rotations take, a file may have come and gone unseen; see level. Where files
// come and go faster than anybody looks, all of them are in doubt; see pace. And a stream that has skipped one may say
// so itself; see Follower.twice.
type rotationWatch struct {
	total atomic.Int64 // bytes that streams brought

	mu          sync.Mutex
	lookedAt    time.Time     // guarded by mu; when the last look began, or the stream
	lookedTotal int64         // guarded by mu; total at that time
	tried       time.Time     // guarded by mu; when the last look began, whether it showed a record or not
	latest      int64         // guarded by mu; the first record's time at the last look; 0: nobody looked yet
	pace        pace          // guarded by mu
	lag         lag           // guarded by mu; of the stream
	level       level         // guarded by mu; of the stream
	hearing     hearing       // guarded by mu; of the stream
	news        []firstRecord // guarded by mu; found and not taken up yet
	// guarded by mu; the file is another one, which had no record yet: as soon as it has one, a look is due
	owed bool

	expected []firstRecord // all three owned by the follower
	settled  firstRecord   // the last one that was met or missed
	inLine   firstRecord   // the last one that was met inside a line
}

// firstRecord is a file's first record, by its time.
type firstRecord struct {
	head
	held int64 // so many lines were held when it was looked at
	turn bool  // the file of the look before was another one
	late bool  // nobody looked before for so long that another file may have come and gone unseen,

	level   level // which this may rule out,
	hearing hearing

	inDoubt   bool  // others may have come and gone since an earlier one,
	epoch     int64 // which is the one of that time,
	epochLine int64 // after so many lines, or later

	crossed  bool  // the stream went past it
	after    int64 // lines before it
	through  int64 // it lies in a line in which the file before ended, and with which so many are held; 0: it is a line
	from, to int64
	chance   bool // it may lie in a line, but its text is too short to prove that
}

// slack is how far a first record may lie out of order before it is missed.
const slack = 2 * time.Second

// looked takes what a look saw that began at the given time and byte, when so many lines were held.
func (r *rotationWatch) looked(first head, began time.Time, total, held int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	record := firstRecord{head: first, held: held, late: now.Sub(r.lookedAt) > kubeletLeast, level: r.level, hearing: r.hearing}
	switch {
	case r.latest == 0:
		r.pace.begins(first.time, now)
	case r.latest == first.time:
		r.pace.stays(first.time, began)
	default:
		record.turn = true
		record.inDoubt, record.epoch = r.pace.turns(first.time, began, now)
	}
	// The first look counts too: the file may be the second one already, and be skipped later.
	if first.time != r.latest {
		r.news = append(r.news, record)
	}
	r.latest, r.lookedAt, r.lookedTotal, r.owed = first.time, began, total, false
}

// begins takes the first line of a log that was read from its start: it is its file's first record, without a look.
func (r *rotationWatch) begins(first int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.latest == 0 {
		r.latest = first
		r.pace.begins(first, time.Now())
	}
}

// another reports whether the file with this first record is not the one of the last look.
func (r *rotationWatch) another(first int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest != 0 && r.latest != first
}

// soon reports whether a look is due soon, for one found a new file.
func (r *rotationWatch) soon() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.soon > 0
}

// opened: a stream begins, with lines held up to a time. What came since the last look is still to be looked at.
func (r *rotationWatch) opened(now time.Time, last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hearing = hearing{}
	r.lag, r.level = lag{}, level{base: last, late: r.level.late, later: r.level.later}
	if total := r.total.Load(); r.lookedAt.IsZero() || total == r.lookedTotal {
		r.lookedAt, r.lookedTotal = now, total
	}
}

// due reports whether a look is due: so much has come since the last one that a rotation is likely; or anything has,
// and the stream lags, for a slow one is served the least and skips the most, or the log was just rotated, or it has
// ended long after.
func (r *rotationWatch) due(ended bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.total.Load() - r.lookedTotal
	long := ended && time.Since(r.lookedAt) > kubeletLeast
	return fresh >= probeBytes || fresh > 0 && (long || r.owed || r.lag.behind || r.pace.soon > 0 || r.pace.fast)
}

// little reports whether something has come since the last look, and not so much that a look is due.
func (r *rotationWatch) little() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.total.Load() - r.lookedTotal
	return 0 < fresh && fresh < probeBytes
}

// tries takes the beginning of a look.
func (r *rotationWatch) tries(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = now
}

// overdue reports whether a look is due and the last one was a while ago.
func (r *rotationWatch) overdue() bool {
	r.mu.Lock()
	since := min(time.Since(r.lookedAt), time.Since(r.tried))
	r.mu.Unlock()
	return since > probeEvery && r.due(false)
}

// came takes the times of the first and the last line that a read brought.
func (r *rotationWatch) came(first, last int64) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lag.came(last, now)
	if max(r.lag.late(last, now), r.lag.late(first, now)) > kubeletLeast-hears {
		r.level.came(min(first, last), max(first, last))
	}
}

// taken returns what the minder found since the last call.
func (r *rotationWatch) taken() []firstRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.news
	r.news = nil
	return news
}
