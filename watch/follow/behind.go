package follow

import (
	"bytes"
	"errors"
	"regexp"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// errHidden ends a stream whose since cannot be relied on. The kubelet passes over lines that are older than that, also
// while it follows: what is written after the node's clock was set back behind it comes to nobody who asks with a
// since, until the clock has caught up. So the log is opened again from its file's start, before any later line is
// held: the lines come in their order then.
var errHidden = errors.New("the node's clock may have been set back behind the time from which the stream was asked for")

// outOfOrder is how much earlier a line may be than the one before it though the clock was not set back.
const outOfOrder = reach / 2

// hidden returns errHidden where lines of the answer may have been passed over before a new line. Since lies reach
// before the line that was the last one then, so that the clock must climb for that long at least to come past it
// again, and nothing comes meanwhile.
func (f *Follower) hidden(a *answer, line archive.Line) error {
	if !a.Follow || a.Since == 0 || line.Time == 0 {
		return nil
	}
	if a.glued(line) {
		return errHidden
	}
	if a.judged {
		return nil
	}
	a.judged = true // the other lines of this reading have come with it
	first := !a.fresh
	a.fresh = true
	if o := f.overlap; first && (o == nil || o.found) && time.Duration(f.tail.time()-line.Time) > outOfOrder {
		return errHidden // it was set back while nobody read
	}
	late := f.heard.late(line.Time, a.began, f.clock.Now().Sub(f.seen.StartedAt(f.log.Instance()))).Abs()
	if a.silent <= time.Duration(line.Time-a.Since) && late <= outOfOrder {
		return nil
	}
	if late > outOfOrder && late <= tooLate {
		f.behind = true // nothing is known: the file is compared as a whole when it is read next
		return nil
	}
	return errHidden
}

// stampInside is a time as the kubelet writes it, inside a text.
var stampInside = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) `)

// glued reports whether a line which took several readings may have another one in it, with its time as text: its own
// end was passed over. Other texts may look so; then the file is read from its start once more than it need be.
func (a *answer) glued(line archive.Line) bool {
	return a.Since > 0 && a.began.Before(a.last) && bytes.IndexByte(line.Text, 'T') >= 0 && stampInside.Match(line.Text)
}

// heard is the new line that a stream brought last, and when its first bytes came.
type heard struct {
	line    int64
	at      time.Time
	backlog bool // it was written before the stream began, as far as is known
}

// backlogTime is how long a stream may take to bring what had been written before it began.
const backlogTime = time.Second

// tooLate is how late a line may be, or the one before it, for no other reason than that node, API server or daemon
// have too much to do.
const tooLate = 5 * time.Second

// late returns how much later a line came than its time and that of the last one let expect; less than 0: earlier.
// Where it is more than a moment the node's clock may have been set back meanwhile, and forward again. Behind a backlog
// every line is early, by no more than how long the container has run.
func (h heard) late(line int64, came time.Time, ran time.Duration) time.Duration {
	late := came.Sub(h.at) - time.Duration(line-h.line)
	switch {
	case h.line == 0:
		return 0
	case h.backlog && late < 0:
		return min(0, late+ran)
	}
	return late
}

// came notes that a reading brought bytes, which may go on with a line. A line may take several: the longest silence
// since the last one that was looked at counts.
func (a *answer) came(inside bool) {
	now := time.Now()
	if !inside {
		a.began = now
	}
	if a.judged {
		a.judged, a.silent = false, 0
	}
	if !a.last.IsZero() {
		a.silent = max(a.silent, now.Sub(a.last))
	}
	a.last = now
}
