package find

import (
	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
)

// Journaled is a log as a replica's journal holds it.
type Journaled struct {
	Reader   *Finder
	Instance *archive.Instance
	Runs     []Run
	Lines    int64
	Bytes    int64 // -1: not known
	Ended    bool
	replica  string
}

// Run is a run of frames in a journal object.
type Run struct {
	Key archive.Key
	format.JournalFrames
	TextOffset int64 // of its text; -1: not known
	Lost       int64 // lines before it that no object holds
}

func (r *Finder) text(p *journal.Pod, c *journal.Chain) *Journaled {
	t := &Journaled{Reader: r, Instance: &c.Instance, Ended: c.Ended, replica: p.Replica}
	for _, run := range c.Runs {
		if run.FirstLine != t.Lines {
			t.Bytes = -1 // lines are missing, or come twice
		}
		if run.Lines > 0 {
			t.Runs = append(t.Runs, Run{run.Key, run.JournalFrames, t.Bytes, max(0, run.FirstLine-t.Lines)})
		}
		t.Lines = max(t.Lines, run.FirstLine+run.Lines)
		if t.Bytes >= 0 {
			t.Bytes += run.Bytes
		}
	}
	return t
}
