package takeover

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// takenLog is a log on its way from a journal into the spool.
type takenLog struct {
	spool  *spool.Spool
	log    *slog.Logger
	best   *journal.Chain
	stays  bool // the spool has as much
	record []byte

	// What was written to the files so far.
	next     int64 // line of the journal's count that comes next
	lines    int64 // in the files; fewer than next where some are missing
	missing  int64 // lines that are missing and that no gap tells of yet
	high     int64 // latest time in the files
	gaps     []archive.Gap
	reserved int64
	err      error
}

// choose settles what is taken of a log.
func (l *takenLog) choose() {
	have := l.spool.Find(l.best.Instance.ID())
	l.stays = have != nil && (l.best.Record != nil || l.spool.Stays(have, l.best.Held(), l.best.Epoch))
	// Small frames go to .tail where nothing but small frames follows, without a hole.
	runs := l.best.Runs
	for n := len(runs) - 1; n >= 0 && !runs[n].Whole; n-- {
		if n < len(runs)-1 && runs[n].FirstLine+runs[n].Lines != runs[n+1].FirstLine {
			break
		}
		runs[n].ToTail = true
	}
}

func (l *takenLog) path(ext string) string {
	i := l.best.Instance
	return filepath.Join(l.spool.TakenDir(), fmt.Sprintf("%s.%s.%d%s", i.PodUID, i.Container, i.Restart, ext))
}

// file opens the file for the frames of a run.
func (l *takenLog) file(r *journal.Taken) (*os.File, error) {
	ext := map[bool]string{true: ".tail", false: ".log"}[r.ToTail]
	return os.OpenFile(l.path(ext), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// take writes a frame to its file. Frames that are there already are passed over, so that a run may be read again; a
// frame after a hole says so in its head.
func (l *takenLog) take(file *os.File, b []byte, h *format.Head) error {
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
	if err := l.spool.Reserve(int64(len(b))); err != nil {
		return err
	}
	l.reserved += int64(len(b))
	// A part of it is no harm: the takeover is repeated, and begins with new files.
	err := l.spool.Write(int64(len(b)), l.spool.Reserve, func() error {
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

func (l *takenLog) knows(gaps []archive.Gap) bool {
	return !slices.ContainsFunc(gaps, func(g archive.Gap) bool { return !slices.Contains(l.gaps, g) })
}

// renumber returns a frame the number that it has without the lost lines before it, and its head the gap. Its text is
// not compressed again.
func (l *takenLog) renumber(b []byte, lost int64) ([]byte, error) {
	c := l.spool.Codec
	f, h, err := c.Decode(b)
	if err != nil {
		return nil, err
	}
	data := b[h.Size:]
	var gaps []archive.Gap
	if l.missing > 0 {
		gaps = archive.AppendGap(gaps, archive.Gap{
			AfterLine: l.lines, From: l.high, To: h.Low, Reason: archive.GapDamaged,
			Detail: fmt.Sprintf("%d lines were in a journal object that is damaged", l.missing),
		})
	}
	for _, g := range h.Gaps {
		g.AfterLine, g.ThroughLine = max(0, g.AfterLine-lost), max(0, g.ThroughLine-lost)
		gaps = archive.AppendGap(gaps, g)
	}
	h.FirstLine, h.Gaps = h.FirstLine-lost, gaps
	out, err := c.AppendHead(nil, &h, f.Times)
	if err != nil {
		return nil, err
	}
	return append(out, data...), nil
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
		if err := os.WriteFile(l.path(spool.SealedExt), l.record, 0o600); err != nil {
			return err
		}
		files[spool.SealedExt] = l.path(spool.SealedExt)
	}
	log, err := l.spool.Adopt(l.best.Instance, files, l.lines, l.best.Epoch)
	l.giveBack() // the spool has counted the files itself
	if err != nil || log == nil {
		return err
	}
	if l.record == nil && l.best.Ended && l.lines == l.next && log.Summary().Lines == l.best.Lines {
		if _, err := log.End(); err != nil && !errors.Is(err, archive.ErrGone) {
			return err
		}
	}
	return nil
}

func (l *takenLog) giveBack() {
	if l.reserved > 0 {
		l.spool.Grow(-l.reserved)
		l.reserved = 0
	}
}
