package follow

import (
	"cmp"
	"time"
)

// hears is how long the kubelet's reader may take from a file's last record to hearing of the next file. It has nothing
// else to do then; and its node answers meanwhile, for it is looked at.
const hears = time.Second

// level tells where a file cannot have been skipped, though nobody looked. A stream that has reached the end of the
// current file hears of every rotation from then on, and is taken past a file only where it is still busy with an older
// one when that file is rotated away. Then the last lines of the older one come late, by the time between the two
// rotations at least, but for the moment in which it hears of the new file.
type level struct {
	// the latest time that was held when the stream began: what comes before it is the affair of earlier streams
	base        int64
	from        int64 // the time of the last line when the stream was first seen to have reached the end; 0: it was not
	late, later int64 // the times of the first and the last line that came late; 0: none did
}

// came takes the times of lines that came late.
func (l *level) came(first, last int64) {
	if l.late == 0 {
		l.late = first
	}
	l.later = max(l.later, last)
}

// settle forgets what came late before a first record: the file before it is settled.
func (l *level) settle(first int64) {
	if l.later < first {
		l.late, l.later = 0, 0
	}
	l.late = max(l.late, min(l.later, first))
}

// hides reports whether a file may have been skipped between two lines of these times: none is where they lie closer
// together than rotations do. Inside says that the first one goes on with the second: its end came in this stream,
// wherever it began.
func (l level) hides(before, after int64, inside bool) bool {
	hole := time.Duration(after-before) > kubeletLeast-slack
	return hole && (before != 0 && before >= l.base || inside) && (l.from == 0 || before < l.from || l.late <= before && before <= l.later)
}

// hearing tells where the kubelet's reader must have heard of a file in time: that file was found empty, one rotation
// at most behind the one before, when the stream had brought nothing for so long that the reader stood at the end of
// that. A rotation that would hide the empty file comes later, when it has been filled.
type hearing struct {
	of    int64 // the last line held when a file was found empty
	one   bool  // its file was looked at too short a time before for two rotations
	heard bool
}

// emptied takes a look that found a file without a record, behind a last line of that time, when nothing had come for
// so long.
func (r *rotationWatch) emptied(tail int64, quiet time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = true
	if tail == 0 || r.level.base != 0 {
		return
	}
	if r.hearing.of != tail {
		r.hearing = hearing{of: tail, one: time.Since(r.lookedAt) <= kubeletLeast}
	}
	r.hearing.heard = r.hearing.heard || r.hearing.one && quiet >= hears
}

// sinceLook adds to the level at a look what came late after it: the stream may have been far from the file that was
// found.
func (r *rotationWatch) sinceLook(l level) level {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.level.late != 0 {
		l.came(r.level.late, r.level.later)
	}
	return l
}

// reached takes the time of the last line of a stream that was seen to have reached the end of the current file.
func (r *rotationWatch) reached(last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.level.from == 0 {
		r.level.from = last
	}
}

// settle takes a first record that was met or missed.
func (r *rotationWatch) settle(first firstRecord) {
	r.settled = first
	r.mu.Lock()
	defer r.mu.Unlock()
	r.level.settle(first.time)
}

// inTime reports whether a line came to a stream which had reached the end of a file before, and came soon: the stream
// was not busy with an older file then.
func (r *rotationWatch) inTime(line int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.level
	return l.from != 0 && line > l.base && line >= l.from && !(l.late <= line && line <= l.later)
}

// A log that falls silent when its file is large enough is rotated once more, and its newest file is empty then. A
// stream that stood at the end of the file before, or came there in time, and stayed until the container's end has
// missed nothing.

// stands reports whether the last stream stands, or stood when it ended, at the end of its file.
func (f *Follower) stands() bool { return f.tail.atEnd() || f.rotation.inTime(f.tail.time()) }

// stayed says what a stream shows that was there until its container's end. How times compare shows nothing, for an end
// is reported in whole seconds: but where a stream was cut while the container ran, the next one that is answered lives
// on. Only of a container that has ended one ends as soon as it is answered, and the next ones as well.
type stayed struct {
	stood  bool // it stood at the end of its file
	silent bool // it was there in time, and the log has had no line
	asked  int  // so many streams were opened since, and ended as soon as they were answered
}

const (
	// atOnce is how soon after the kubelet's answer the stream of a container that has ended ends.
	atOnce = 250 * time.Millisecond
	// enoughAsked is how many must: a node in trouble cuts one and the other, too.
	enoughAsked = 4
)

// brief reports whether the last stream, which added so many lines, ended as that of a container that had ended.
func (f *Follower) brief(added int64) bool {
	return f.ended && added == 0 && time.Since(f.began) < cmp.Or(f.cfg.EndsAtOnce, atOnce)
}

// noteStay takes the end of a stream. Before is what the one before it has shown.
func (f *Follower) noteStay(added int64, before stayed) {
	now := &f.stayed
	now.stood, now.silent = f.ended && f.stands(), f.ended && now.silent
	if f.brief(added) {
		now.stood, now.silent, now.asked = now.stood || before.stood, now.silent || before.silent, before.asked+1
	}
}

// asksOn reports whether another stream has to show that the container has ended. A stream has stayed until that end,
// if it has.
func (s stayed) asksOn() bool { return (s.stood || s.silent) && s.asked < enoughAsked }

// stoodAtEnd reports whether the last stream stood at the end of its file when its container ended, and had been asked
// from a time that lay behind the node's clock then: of a later one it would have been served nothing.
func (f *Follower) stoodAtEnd() bool {
	t := f.seen.Terminated
	return f.stayed.stood && t != nil && f.since.Load() <= t.FinishedAt.UnixNano()
}
