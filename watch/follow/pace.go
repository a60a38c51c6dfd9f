package follow

import (
	"time"
)

// pace tells from the looks at a log's current file whether it is rotated faster than a kubelet does that by itself.
// Then files may come and go between two looks, and no look proves any more that none was skipped.
//
// A look that finds a new file is followed by two soon. Where those find a new file again, two rotations lay less than
// kubeletLeast apart. From then on, and back to the last file that was seen to stay, everything is in doubt, until a
// file stays again. The times are this process's own: a node's clock proves nothing.
type pace struct {
	epoch  int64     // first record of the last file that stayed; all after it are in doubt where fast
	found  time.Time // when the current file was found
	seen   time.Time // when the last look that saw it began
	before time.Time // when the last look that saw the file before it began; zero: none did
	fast   bool
	soon   int // so many looks are due soon
}

const (
	// kubeletLeast is the least time between two of its looks at the sizes of logs that a kubelet can be set to.
	kubeletLeast = 3 * time.Second
	// probeEvery is how often a busy stream's file is looked at, and probeSoon after how long again, twice, where it
	// was a new one. So a pace at which a file could come and go between two looks shows itself within four of the
	// short times.
	probeEvery = 1500 * time.Millisecond
	probeSoon  = 750 * time.Millisecond
)

// begins takes the first file's first record.
func (p *pace) begins(first int64, now time.Time) { *p = pace{epoch: first, found: now, seen: now} }

// stays takes a look that saw the file of the look before.
func (p *pace) stays(first int64, began time.Time) {
	if began.Sub(p.found) >= probeEvery {
		p.epoch, p.fast = first, false
	}
	p.seen, p.soon = began, max(0, p.soon-1)
}

// turns takes a look that found a new file. inDoubt: others may have come and gone since the one that is named by its
// first record.
func (p *pace) turns(first int64, began, ended time.Time) (inDoubt bool, epoch int64) {
	p.fast = p.fast || !p.before.IsZero() && ended.Sub(p.before) < kubeletLeast
	epoch = p.epoch
	p.before, p.found, p.seen, p.soon = p.seen, ended, began, 2
	if p.fast {
		p.epoch = first
	}
	return p.fast, epoch
}

// lag tells whether a stream falls behind its log: its lines come later after their times than they did before. What
// the clocks differ by does not matter.
type lag struct {
	known  bool // a line came
	least  time.Duration
	behind bool
}

const muchLag = time.Second

func (l *lag) came(line int64, now time.Time) {
	if line == 0 {
		return
	}
	if late := now.Sub(time.Unix(0, line)); !l.known || late < l.least {
		l.least, l.known = late, true
	}
	l.behind = l.late(line, now) > muchLag
}

// late returns how much later a line came than the one that came soonest.
func (l *lag) late(line int64, now time.Time) time.Duration {
	if line == 0 || !l.known {
		return 0
	}
	return now.Sub(time.Unix(0, line)) - l.least
}
