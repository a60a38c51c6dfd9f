package follow

import (
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// rotated takes up what the minder found. A first record that is held already is confirmed; one that the stream has
// passed is a gap; any other is expected.
func (f *Follower) rotated() error {
	for _, first := range f.rotation.taken() {
		if first.turn {
			f.log.Rotated()
		}
		if err := f.findEpoch(&first); err != nil {
			return &spoolError{err}
		}
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

// findEpoch finds the place from which on files are in doubt. Where the stream is not there yet, that is no earlier
// than here.
func (f *Follower) findEpoch(first *firstRecord) error {
	if !first.inDoubt || first.epoch == f.rotation.settled.time {
		first.epochLine = f.rotation.settled.after
		return nil
	}
	epoch := firstRecord{head: head{time: first.epoch}}
	_, err := f.meet(&epoch)
	first.epochLine = epoch.after
	return err
}

// meet looks for the first record in what is held, and for the place where it is or should have been. It looks ever
// further back for the line before it.
func (f *Follower) meet(first *firstRecord) (met bool, err error) {
	// A stream that lags is not there yet, and must not be held up: reading back what it brought takes time.
	if s := f.log.Summary(); first.time > s.Last {
		first.after = s.Lines
		return false, nil
	}
	for _, reach := range []time.Duration{slack / 20, 5 * slack, time.Hour, 1000 * time.Hour} {
		if met, err = f.meetSince(first, first.time-int64(reach)); err != nil || first.from != 0 || first.after == 0 {
			break
		}
	}
	if met || err != nil || len(first.text) == 0 && !first.whole {
		return met, err
	}
	return f.meetInside(first, 0)
}

// meetInside looks for the first record in a held line, behind which a line of the given time comes; 0: look for that,
// too.
func (f *Follower) meetInside(first *firstRecord, next int64) (met bool, err error) {
	s, ok, err := f.findSeamAnywhere(first.head)
	if !ok || err != nil {
		return false, err
	}
	if s.last {
		s.next = next
	}
	if met = s.proves(first.head); !met {
		first.chance = true
		return false, nil
	}
	first.after, first.through, first.from, first.to = s.after, s.through, s.time, first.time
	return true, nil
}

// meetSince looks from a time on. What was held at the look comes before a record that is not among it, whatever their
// times.
func (f *Follower) meetSince(first *firstRecord, since int64) (met bool, err error) {
	total := f.log.Summary().Lines
	var n, at, before int64
	look := func(behind int64) error {
		n, before, first.crossed, first.from, first.to = 0, 0, false, 0, 0
		return f.log.HeldFrom(since, func(line archive.Line) bool {
			switch {
			case met:
			case first.is(line):
				met, at = true, n
				first.from, first.to = before, line.Time
			case line.Time >= first.time && !first.crossed && n >= behind:
				first.crossed, at = true, n
				first.from, first.to = before, line.Time
			case !first.crossed:
				before = line.Time
			}
			n++
			return true
		})
	}
	err = look(0)
	if skipped := total - n; err == nil && !met && skipped+at < first.held {
		at = first.held - skipped
		err = look(at)
	}
	first.after = total - n + at
	return met, err
}

// expect compares a new line with the first records that are expected.
func (f *Follower) expect(line archive.Line) error {
	expected := f.rotation.expected
	f.rotation.expected = expected[:0]
	for n, first := range expected {
		left, err := f.expectOne(&first, line, expected[n+1:])
		if left || err != nil {
			f.rotation.expected = append(f.rotation.expected, first)
		}
		if err != nil {
			f.rotation.expected = append(f.rotation.expected, expected[n+1:]...)
			return err
		}
	}
	return nil
}

// expectOne reports whether the first record is still expected when the line has come. Later ones are expected behind
// it.
func (f *Follower) expectOne(first *firstRecord, line archive.Line, later []firstRecord) (left bool, err error) {
	gone := line.Time > first.time+int64(slack)
	switch {
	case first.is(line):
		first.cross(f, line)
		f.confirm(*first)
		return false, nil
	case line.Time < first.time || first.crossed && !gone:
		return true, nil
	}
	first.cross(f, line)
	// The line before may end with it.
	if err := f.append(); err != nil {
		return true, err
	}
	met, err := f.meetInside(first, line.Time)
	switch {
	case err != nil:
		return true, &spoolError{err}
	case met:
		f.confirm(*first)
	case gone:
		err = f.skippedBefore(*first, later, line.Time)
	}
	return !met && !gone, err
}

// cross notes the place where the stream goes past the record.
func (r *firstRecord) cross(f *Follower, line archive.Line) {
	if r.crossed {
		return
	}
	r.crossed, r.from, r.to = true, f.tail.time(), line.Time
	n := len(f.batch.lines)
	if n > 0 {
		r.from = f.batch.lines[n-1].Time
	}
	r.after = f.log.Summary().Lines + int64(n)
}

// confirm: the file was read from its first record. Where nobody looked before, a whole file may have come and gone
// between this one and the one before, in the time between the last line of that one and this record.
func (f *Follower) confirm(first firstRecord) {
	level := f.rotation.sinceLook(first.level)
	f.settle(first)
	f.joinedTwo(first)
	heard := first.hearing.heard && first.hearing.of == first.from
	if first.late && !heard && level.hides(first.from, first.to, first.through != 0) {
		f.gap(archive.Gap{
			AfterLine: first.after, ThroughLine: first.through, From: first.from, To: first.to, Reason: archive.GapRotated, Unproven: true,
			Detail: "the log was rotated while its stream stood still, perhaps more than once",
		})
	}
}

func (f *Follower) skipped(first firstRecord) {
	f.settle(first)
	g := archive.Gap{
		AfterLine: first.after, ThroughLine: first.through, From: first.from, To: first.to, Reason: archive.GapRotated, Unproven: first.chance,
		Detail: "the kubelet rotated the log while it was read too slowly, and a file was skipped",
	}
	if first.chance {
		g.Detail = "the kubelet rotated the log inside a line, and it is not certain that this is the one that was read"
	}
	f.gap(g)
}

// skippedBefore writes the gap of a file that was skipped. The line before it, behind which one of the given time comes
// (0: look for that), may be two: see joinedTwo. Then the gap lies inside it, as it may where that line came in parts.
func (f *Follower) skippedBefore(first firstRecord, later []firstRecord, next int64) error {
	for _, newer := range later {
		met, err := f.meetInside(&newer, next)
		if err != nil {
			return &spoolError{err}
		}
		if met && newer.through == first.after {
			first.after, first.through = newer.after, newer.through
			break
		}
	}
	if first.through == 0 && first.after == f.parted {
		first.after, first.through = first.after-1, first.after
	}
	f.skipped(first)
	return nil
}

// joinedTwo writes the gap inside a line that was never written. Where the kubelet's reader is taken past a file it
// joins what it had of an unfinished line with the first record of the newest file. That shows by a file that was
// skipped right behind the line in which this one was met, or by another one that was met there as well, and ends no
// later than that line.
func (f *Follower) joinedTwo(first firstRecord) {
	if first.through == 0 {
		return
	}
	other := f.rotation.inLine
	f.rotation.inLine = first
	two := other.through == first.through && other.whole && other.time != first.time
	for _, g := range f.log.Summary().Gaps {
		if g.Reason != archive.GapRotated {
			continue
		}
		if through := max(g.AfterLine, g.ThroughLine); g.AfterLine <= first.after && first.through <= through {
			return
		}
		two = two || g.AfterLine == first.through
	}
	if two {
		f.gap(archive.Gap{
			AfterLine: first.after, ThroughLine: first.through, From: first.from, To: first.to, Reason: archive.GapRotated, Unproven: true,
			Detail: "a file was skipped, and this line may be the start of one line and the end of another, which the kubelet joined",
		})
	}
}

// twice takes a line that a stream served again, the first of a file that it began anew. The kubelet's reader does so
// where it heard of several new files while it was busy with an old one: it opens the newest once for each of them, and
// those between are skipped.
func (f *Follower) twice(line archive.Line) error {
	first := firstRecord{head: headOf(line)}
	if _, err := f.meet(&first); err != nil {
		return &spoolError{err}
	}
	for _, g := range f.log.Summary().Gaps {
		if g.Reason == archive.GapRotated && g.AfterLine <= first.after && first.after <= max(g.AfterLine, g.ThroughLine) {
			return nil
		}
	}
	f.skipped(first)
	return nil
}

// settle says what is in doubt up to the record, now that the place of its file in the stream is known.
func (f *Follower) settle(first firstRecord) {
	f.rotation.settle(first)
	if !first.inDoubt {
		return
	}
	f.gap(archive.Gap{
		AfterLine: min(first.epochLine, first.after), ThroughLine: max(first.after, first.through), From: first.epoch, To: first.time,
		Reason: archive.GapRotated, Unproven: true,
		Detail: "the log was rotated faster than it is looked at, so that files may have been skipped",
	})
}
