package live

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// around picks the lines of one log that match, and those around them.
type around struct {
	grep    *regexp.Regexp // nil: every line is picked
	query   *archive.Grep
	before  []archive.Entry // copies of lines that were not given, for a match that may come
	pending int             // lines after a match that are still to be given
}

// pick returns what is to be given once the line has come. The text of the line is good until the next one comes.
func (a *around) pick(e archive.Entry) []archive.Entry {
	switch {
	case a.grep == nil:
		return []archive.Entry{e}
	case a.grep.Match(e.Text) != a.query.Invert:
		given := slices.Concat(a.before, []archive.Entry{e})
		a.before, a.pending = nil, a.query.After
		return given
	}
	e.Context = true
	if a.pending > 0 {
		a.pending--
		return []archive.Entry{e}
	}
	if a.query.Before > 0 {
		e.Text = bytes.Clone(e.Text)
		a.before = append(a.before[max(0, len(a.before)-a.query.Before+1):], e)
	}
	return nil
}
