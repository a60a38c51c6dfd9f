package follow

import (
	"bytes"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// A rotation cuts a line wherever the container runtime has read a part of it: that part is the old file's last record,
// and the rest, with a time of its own, is the new file's first. Who follows is served one line, with the time of the
// part; who reads the new file alone is served the rest as a line like any other. So a file's first record that is not
// held may stand in a held line: there is the seam.

// head is what is known of a file's first record.
type head struct {
	time  int64
	text  []byte // as much of it as was looked at
	whole bool   // that is up to its end
	next  int64  // the time of the line behind it; 0: not known
}

// is reports whether the line, or the piece of one, is the record. Others may have its time: those that a process wrote
// in one block.
func (h head) is(line archive.Line) bool {
	if line.Time != h.time {
		return false
	}
	if n := len(line.Text); n < len(h.text) {
		return line.Partial && bytes.HasPrefix(h.text, line.Text)
	}
	return bytes.HasPrefix(line.Text, h.text) && (!h.whole || !line.Partial && len(line.Text) == len(h.text))
}

// seam is the place in a held line where a file begins.
type seam struct {
	time    int64 // of the line
	from    place // the line's first piece
	after   int64 // lines that are held before it
	through int64 // and with it
	at      int64 // so many bytes of it lie before the seam
	last    bool  // nothing is held behind it
	inside  bool  // it has no end so far
	next    int64 // the time of the line that is held behind it; 0: there is none
	sure    bool  // the text fits in one place only
	end     int   // it has no end so far, and so many of its last bytes are the first ones of the text
}

const (
	// headBytes is how much of a first record is looked at.
	headBytes = 4 << 10
	// leastProof is how much text must be the same to prove something by itself: short texts are the ends of many
	// lines.
	leastProof = 16
	// leastEnd is how much must be the same to be taken for the same, in doubt, where otherwise it would stand twice.
	leastEnd = 4
	// seamWithin is among how many lines before a time a seam is looked for. Lines of two outputs are a little out of
	// order.
	seamWithin = 4
)

// proves reports whether the seam is no chance: the text is long, or the line behind it is the one behind the first
// record, or comes so soon after the record that no other file can lie between. Where it is known to be another line
// the text proves nothing: the ends of many lines are the same.
func (s seam) proves(h head) bool {
	if s.next != 0 && h.next != 0 && s.next != h.next {
		return false
	}
	behind := s.next != 0 && (s.next == h.next || time.Duration(s.next-h.time) < kubeletLeast-slack)
	return s.sure && (len(h.text) >= leastProof && !s.short() || behind)
}

// short: the text fits at the line's end, which is none, by too little to prove anything.
func (s seam) short() bool { return s.end != 0 && s.end < leastProof }

// findSeam looks for the seam at which a file begins, with the line that is held before the first one of a later time.
func (f *Follower) findSeam(h head) (s seam, ok bool, err error) {
	total := f.log.Summary().Lines
	for _, reach := range []time.Duration{slack / 20, 5 * slack, time.Hour, 1000 * time.Hour} {
		search := seamSearch{head: h, since: h.time - int64(reach)}
		if err := f.log.HeldFrom(search.since, search.take); err != nil {
			return seam{}, false, err
		}
		if !search.crossed {
			search.close()
			search.best.last = search.apart == 0
		}
		if s := search.best; s.found {
			s.after, s.through = s.after+total-search.lines, s.through+total-search.lines
			return s.seam, true, nil
		}
		if search.before >= seamWithin {
			break
		}
	}
	return seam{}, false, nil
}

// findSeamAnywhere does so whatever the times say: where the node's clock was set back the lines of later times lie
// elsewhere. Then the text alone must prove it, in one line of all. A line without an end that fits by too little to
// prove anything is the last resort.
func (f *Follower) findSeamAnywhere(h head) (seam, bool, error) {
	near, ok, err := f.findSeam(h)
	if err != nil || ok && !near.short() {
		return near, ok, err
	}
	last, atLast, err := f.findSeamLast(h)
	if err != nil || atLast && !last.short() {
		return last, atLast, err
	}
	if len(h.text) >= leastProof {
		search := seamSearch{head: h, anywhere: true, proof: true}
		if err := f.log.Held(0, search.take); err != nil {
			return seam{}, false, err
		}
		search.close()
		search.best.last = search.apart == 0
		if search.best.found && search.fits == 1 {
			return search.best.seam, true, nil
		}
	}
	if ok {
		return near, true, nil
	}
	return last, atLast, nil
}

// findSeamBehind does so by the time of the line behind the first record, wherever in the log it is.
func (f *Follower) findSeamBehind(h head) (seam, bool, error) {
	if h.next == 0 {
		return seam{}, false, nil
	}
	search := seamSearch{head: h, anywhere: true, behind: true}
	if err := f.log.Held(0, search.take); err != nil {
		return seam{}, false, err
	}
	s := search.best
	return s.seam, s.found && s.next != 0 && search.fits == 1, nil
}

// findSeamLast does so in the last line that is held alone.
func (f *Follower) findSeamLast(h head) (seam, bool, error) {
	search := seamSearch{head: h, since: f.tail.time(), anywhere: true}
	if err := f.log.HeldFrom(search.since, search.take); err != nil {
		return seam{}, false, err
	}
	search.close()
	s := search.best.seam
	s.last = search.apart == 0
	total := f.log.Summary().Lines
	s.after, s.through = total-(s.through-s.after), total
	return s, search.best.found && s.last, nil
}

// seamSearch is the state of that.
type seamSearch struct {
	head
	since   int64
	lines   int64 // pieces so far
	before  int   // lines of earlier times
	crossed bool
	now     candidate
	best    candidate
	apart   int // lines since the best one

	anywhere bool // times do not count
	behind   bool // but that of the line behind it does
	proof    bool // nor does a line without an end in which the text fits by too little
	fits     int  // lines in which the text fits
}

// candidate is a held line in which a seam may lie.
type candidate struct {
	seam
	found, begun bool
	length       int64
	latest       int64 // the last of its places
	places       int
	tail         []byte // the end of a line in pieces, as long as the text at most
}

// take looks at a piece, and only counts those behind the first line of a later time.
func (s *seamSearch) take(piece archive.Line) bool {
	if !s.crossed && (!s.now.inside || piece.Time != s.now.time) {
		s.close()
		s.begin(piece)
	}
	if s.lines++; s.crossed {
		return true
	}
	s.now.through, s.now.inside = s.lines, piece.Partial
	s.look(piece)
	return true
}

func (s *seamSearch) begin(piece archive.Line) {
	if s.best.found && s.best.next == 0 {
		// The line whose end it is began before: those of one block have all the same time.
		if s.best.next = piece.Time; s.behind && (s.best.next != s.head.next || s.best.time == s.head.time) {
			s.best = candidate{}
			s.fits--
		}
	}
	if s.crossed = !s.anywhere && piece.Time >= s.time; s.crossed {
		return
	}
	s.before++
	s.now = candidate{begun: true, tail: s.now.tail[:0]}
	s.now.time, s.now.after = piece.Time, s.lines
	s.now.from = place{since: s.since, after: s.lines}
}

// look looks for the text in a piece, and where it began in the piece before.
func (s *seamSearch) look(piece archive.Line) {
	c := &s.now
	if s.whole && c.length == 0 && !piece.Partial { // most lines
		c.length = int64(len(piece.Text))
		if bytes.HasSuffix(piece.Text, s.text) {
			c.put(c.length - int64(len(s.text)))
		}
		return
	}
	begin := c.length - int64(len(c.tail))
	c.tail = append(c.tail, piece.Text...)
	text := c.tail
	c.length += int64(len(piece.Text))
	for at := 0; !s.whole && len(s.text) > 0 && c.places < 2; at++ {
		next := bytes.Index(text[at:], s.text)
		if next < 0 {
			break
		}
		at += next
		c.put(begin + int64(at))
	}
	if s.whole && !piece.Partial && bytes.HasSuffix(text, s.text) {
		c.put(c.length - int64(len(s.text)))
	}
	keep := min(len(text), len(s.text))
	c.tail = append(c.tail[:0], text[len(text)-keep:]...)
}

// put notes that the text fits at a place. At a line's start it is no rest of the line.
func (c *candidate) put(at int64) {
	if at <= 0 || c.places > 0 && at <= c.latest {
		return
	}
	if c.latest = at; c.places == 0 {
		c.at = at
	}
	c.places++
}

// close judges the line that has ended, or that nothing is held behind.
func (s *seamSearch) close() {
	c := &s.now
	if !c.begun {
		return
	}
	s.apart++
	if c.inside { // of a line without an end the text may be held in part, or up to its own end
		for n := min(len(c.tail), len(s.text)); n >= leastEnd && (n >= leastProof || c.places == 0); n-- {
			if bytes.HasSuffix(c.tail, s.text[:n]) {
				c.put(c.length - int64(n))
				c.end = n
			}
		}
	}
	if n := len(s.text); c.inside && c.places == 1 && n >= leastEnd && c.at+int64(n) == c.length {
		c.end = n
	}
	if c.found, c.sure = c.places > 0 && !(s.proof && c.short()), c.places == 1; c.found {
		s.best, s.apart = *c, 0
		s.fits++
	} else if s.apart >= seamWithin && !s.anywhere {
		s.best = candidate{}
	}
	c.begun = false
}
