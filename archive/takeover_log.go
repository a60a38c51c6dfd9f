package archive

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
)

// takenLog is a log on its way from a journal into the spool.
type takenLog struct {
	spool  *Spool
	log    *slog.Logger
	chains []*chain // one for each life that journaled the log
	best   *chain
	stays  bool // the spool has as much
	record []byte

	// What was written to the files so far.
	next     int64 // line of the journal's count that comes next
	lines    int64 // in the files; fewer than next where some are missing
	missing  int64 // lines that are missing and that no gap tells of yet
	high     int64 // latest time in the files
	gaps     []Gap
	reserved int64
	err      error
}

// chain is what one life has journaled of a log.
type chain struct {
	life     string
	copy     int64 // tells apart the copies of the log that the life had one after the other
	instance Instance
	since    int64 // when its word counts from
	runs     []taken
	lines    int64 // of the log at the end
	ended    bool
	record   *place
}

// taken is a run of frames in an object.
type taken struct {
	object int
	JournalFrames
	toTail bool // the frames go to .tail, else to .log
}

func (l *takenLog) chain(life string, n int64, i Instance) *chain {
	for _, c := range l.chains {
		if c.life == life && c.copy == n && c.instance == i {
			return c
		}
	}
	c := &chain{life: life, copy: n, instance: i}
	l.chains = append(l.chains, c)
	return c
}

// add takes an entry in. A whole frame makes the small frames needless that hold its lines, and frames that were written again
// those that they are copies of: the runs stay in the order of their lines, and that is the order of the objects, too.
func (c *chain) add(object int, since int64, e *JournalLog) {
	c.since = max(c.since, since)
	c.lines, c.ended = max(c.lines, e.Lines), c.ended || e.Ended
	if e.Record != nil {
		c.record = &place{object, *e.Record}
	}
	for _, f := range e.Frames {
		n := len(c.runs)
		for n > 0 && c.runs[n-1].heldAgain(&f) {
			n--
		}
		c.runs = c.runs[:n]
		c.runs = append(c.runs, taken{object: object, JournalFrames: f})
	}
}

// heldAgain: a later run holds what this one holds. Frames of gaps alone at its very start may stand before it.
func (r *taken) heldAgain(f *JournalFrames) bool {
	before := r.Lines == 0 && r.FirstLine == f.FirstLine
	if !r.Whole {
		return r.FirstLine >= f.FirstLine && (f.Whole || !before)
	}
	return f.Whole && r.FirstLine >= f.FirstLine && r.FirstLine+r.Lines <= f.FirstLine+f.Lines && !before
}

// held counts the lines that the chain's runs hold, each once.
func (c *chain) held() (lines int64) {
	next := int64(0)
	for _, r := range c.runs {
		if end := r.FirstLine + r.Lines; end > next {
			lines += end - max(next, r.FirstLine)
			next = end
		}
	}
	return lines
}

// bestChain settles which life's frames are taken: those of one life only, for line numbers do not go on between lives. The word
// of the one counts who took over last, however many lines another one wrote who was paused and came back. But who died before
// he had written again what he took has less of it than the one from whom he took it.
func bestChain(chains []*chain) *chain {
	best := chains[0]
	for _, c := range chains[1:] {
		if c.standsBefore(best) {
			best = c
		}
	}
	return best
}

func (c *chain) standsBefore(o *chain) bool {
	switch {
	case (c.record != nil) != (o.record != nil):
		return c.record != nil
	case c.since > o.since:
		return c.held() >= c.lines || c.held() >= o.held()
	case c.since < o.since:
		return !o.standsBefore(c)
	}
	return c.held() >= o.held()
}

// choose settles what is taken of a log.
func (l *takenLog) choose() {
	l.best = bestChain(l.chains)
	l.chains = nil
	have := l.spool.find(l.best.instance.ID())
	l.stays = have != nil && (l.best.record != nil || l.spool.stays(have, l.best.held(), l.best.since))
	// Small frames go to .tail where nothing but small frames follows, without a hole.
	runs := l.best.runs
	for n := len(runs) - 1; n >= 0 && !runs[n].Whole; n-- {
		if n < len(runs)-1 && runs[n].FirstLine+runs[n].Lines != runs[n+1].FirstLine {
			break
		}
		runs[n].toTail = true
	}
}

func (l *takenLog) path(ext string) string {
	i := l.best.instance
	return filepath.Join(l.spool.takenDir(), fmt.Sprintf("%s.%s.%d%s", i.PodUID, i.Container, i.Restart, ext))
}

// file opens the file for the frames of a run.
func (l *takenLog) file(r *taken) (*os.File, error) {
	ext := map[bool]string{true: ".tail", false: ".log"}[r.toTail]
	return os.OpenFile(l.path(ext), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// take writes a frame to its file. Frames that are there already are passed over, so that a run may be read again; a frame
// after a hole says so in its head.
func (l *takenLog) take(file *os.File, b []byte, h *head) error {
	end := h.FirstLine + h.Lines
	if end < l.next || end == l.next && (h.Lines > 0 || l.knows(h.Gaps)) {
		return nil
	}
	if h.FirstLine < l.next { // it cannot be cut; what it has beyond is lost
		l.missing += end - l.next
		l.next = end
		return nil
	}
	l.missing += h.FirstLine - l.next
	if h.FirstLine != l.lines {
		var err error
		if b, err = l.renumber(b, h.FirstLine-l.lines); err != nil {
			return err
		}
	}
	if err := l.spool.reserve(int64(len(b))); err != nil {
		return err
	}
	l.reserved += int64(len(b))
	// A part of it is no harm: the takeover is repeated, and begins with new files.
	err := l.spool.written(int64(len(b)), l.spool.reserve, func() error {
		_, err := file.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	l.next, l.missing = end, 0
	l.lines += h.Lines
	l.high = max(l.high, h.High)
	l.gaps = append(l.gaps, h.Gaps...)
	return nil
}

func (l *takenLog) knows(gaps []Gap) bool {
	return !slices.ContainsFunc(gaps, func(g Gap) bool { return !slices.Contains(l.gaps, g) })
}

// renumber gives a frame the number that it has without the lost lines before it, and its head the gap. Its text is not
// compressed again.
func (l *takenLog) renumber(b []byte, lost int64) ([]byte, error) {
	c := l.spool.codec
	f, h, err := c.decode(b)
	if err != nil {
		return nil, err
	}
	data := b[h.size:]
	var gaps []Gap
	if l.missing > 0 {
		gaps = appendGap(gaps, Gap{
			AfterLine: l.lines, From: l.high, To: h.Low, Reason: GapDamaged,
			Detail: fmt.Sprintf("%d lines were in a journal object that is damaged", l.missing),
		})
	}
	for _, g := range h.Gaps {
		g.AfterLine, g.ThroughLine = max(0, g.AfterLine-lost), max(0, g.ThroughLine-lost)
		gaps = appendGap(gaps, g)
	}
	h.FirstLine, h.Gaps = h.FirstLine-lost, gaps
	out, err := c.appendHead(nil, &h, f.times)
	if err != nil {
		return nil, err
	}
	return append(out, data...), nil
}

// checkFrame says whether the bytes of a frame are what was written.
func checkFrame(b []byte) (head, error) {
	h, err := decodeHead(b)
	if err == nil && crc32.Checksum(b[h.size:], castagnoli) != h.DataCRC {
		err = fmt.Errorf("frame at line %d: its checksum differs: %w", h.FirstLine, ErrDamaged)
	}
	return h, err
}

// adopt hands the files to the spool.
func (l *takenLog) adopt() error {
	if l.stays {
		return nil
	}
	if l.err != nil {
		return l.err
	}
	files := map[string]string{}
	for _, ext := range []string{".log", ".tail"} {
		if _, err := os.Stat(l.path(ext)); err == nil {
			files[ext] = l.path(ext)
		}
	}
	if l.record != nil {
		if err := os.WriteFile(l.path(sealedExt), l.record, 0o600); err != nil {
			return err
		}
		files[sealedExt] = l.path(sealedExt)
	}
	log, err := l.spool.adopt(l.best.instance, files, l.lines, l.best.since)
	l.giveBack() // the spool has counted the files itself
	if err != nil || log == nil {
		return err
	}
	if l.record == nil && l.best.ended && l.lines == l.next && log.Summary().Lines == l.best.lines {
		if _, err := log.End(); err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
	return nil
}

func (l *takenLog) giveBack() {
	if l.reserved > 0 {
		l.spool.grow(-l.reserved)
		l.reserved = 0
	}
}
