package archive

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Which says which instances of a container are asked for, where it was restarted.
type Which int

// The choices. Kubernetes' own answer to `kubectl logs` is Newest, and Previous with -p.
const (
	Every    Which = iota // all that are known, in order
	Newest                // the last one of each container in each pod
	Previous              // the one before that
)

// Query says which lines of which logs are asked for. Zero values ask for everything. The parts apply one after the
// other to each log: lines and bytes, times, Grep, After or Tail; LimitBytes applies to the whole answer.
type Query struct {
	Target Target
	// Within says whether a namespace's logs are part of the answer; nil: all are. It is asked at each look of a
	// follower, and by whoever reads.
	Within     func(namespace string) bool
	Containers []string // names; none: all
	Which      Which
	Restart    *int // only instances with this restart count; nil: all
	// Attempt is one pod of each Job, by the order in which they were made: 1 is the first, -1 the last, 0 all.
	Attempt int

	// Since and Until bound the times of lines: not before Since, and before Until. A line without a time counts as the
	// one before it.
	Since, Until time.Time
	// FirstLine and LastLine bound line numbers, counted from 1, both included; 0: no bound.
	FirstLine, LastLine int64
	// FromByte and ToByte bound offsets in the log's text, where each line counts with its newline: from FromByte on
	// and before ToByte; ToByte 0: no bound. The first and the last line are cut to fit.
	FromByte, ToByte int64
	// Tail gives only so many of the last lines of each log, counted after all other bounds and Grep. nil: all; 0:
	// none.
	Tail *int64
	// LimitBytes ends the answer after so many bytes of text, newlines included; the last line is cut to fit. 0: no
	// limit.
	LimitBytes int64
	// Grep gives only lines that match, with lines around them.
	Grep *Grep
	// Find, without Grep, says where in some lines, with newlines between them, one begins that may be wanted: it
	// returns the offset of any byte of the first such, -1 where there is none. So most of a frame need not be taken
	// apart. Lines that it passes over may be given all the same. nil: all lines are wanted.
	Find func(text []byte) int
	// After gives, of the logs that it names, only what comes after that line, whatever Tail says: with it a reader
	// goes on where it stopped. The value is the Number of the last Entry that was had.
	After map[LogID]int64
	// Whole says that After names every log that the answer had which is gone on with: one that it does not name has
	// come since, and all of it is given, whatever Tail says.
	Whole bool
	// Mark names pods of which all was had, besides the logs in After; nil: none.
	Mark *Mark

	// Follow goes on with lines as they come: of a pod until it is sealed, of a Job until its document is written, of a
	// workload until this holds for all its Jobs. With Until it ends some seconds after that time at the latest.
	Follow bool
	// NoMore, closed, says that no further pod will come: a Follow ends when all that there is was read to its end.
	NoMore <-chan struct{}
	// More, with Follow, says that further pods may come although every Job that is known has its document: of a Job
	// that waits for its turn, and has had no pod, nothing is known here. It is asked with each look for what is new.
	// nil: nobody knows of such.
	More func() bool
	// Begun, with Follow, is told between two entries of each log behind which of its lines the answer begins: of
	// those that are there at first together, as soon as that is known of all of them, later of those that have come
	// since. With these and the numbers of the entries that were had After names every log. nil: nobody is told.
	Begun func(lines map[LogID]int64)
	// Marked is told between two entries how far the answer is: which pods were given to their ends. done are the
	// logs that the mark covers now, so that After need not name them any more. nil: nobody is told.
	Marked func(mark Mark, done []LogID)
}

// Grep picks lines.
type Grep struct {
	Pattern string // RE2 syntax, matched anywhere in a line; no line holds a newline
	Fixed   bool   // Pattern is plain text
	Fold    bool   // upper and lower case are the same
	Invert  bool   // lines that do not match
	Before  int    // lines to give before each one; at most MaxContext, and of these the nearest MaxContextBytes
	After   int    // lines to give after each one; at most MaxContext
}

// Bounds of a Grep. What is before a match must be kept until it is known to be before one.
const (
	MaxContext      = 1000
	MaxContextBytes = 4 << 20
	maxPattern      = 4 << 10
	// maxProgram bounds what an expression costs for each byte of text, and what it takes in memory: some hundred KiB.
	maxProgram = 2000
)

// QueryError says which field of a query is wrong and what would be right.
type QueryError struct {
	Field string // as in Query, Target or Grep
	Value string
	Want  string
}

func (e *QueryError) Error() string {
	return fmt.Sprintf("%s is %q, must be %s", e.Field, e.Value, e.Want)
}

// BadQuery returns a *QueryError: the field, what it was, and what it must be.
func BadQuery(field string, value any, want string) error {
	return &QueryError{Field: field, Value: fmt.Sprint(value), Want: want}
}

// Validate returns a *QueryError for the first field that is wrong.
func (q *Query) Validate() error {
	if err := q.Target.Validate(); err != nil {
		return err
	}
	for _, bound := range []struct {
		field string
		value int64
	}{
		{"FirstLine", q.FirstLine}, {"LastLine", q.LastLine}, {"FromByte", q.FromByte}, {"ToByte", q.ToByte},
		{"LimitBytes", q.LimitBytes},
	} {
		if bound.value < 0 {
			return BadQuery(bound.field, bound.value, "0 or more")
		}
	}
	switch {
	case q.Tail != nil && *q.Tail < 0:
		return BadQuery("Tail", *q.Tail, "0 or more")
	case q.LastLine > 0 && q.LastLine < q.FirstLine:
		return BadQuery("LastLine", q.LastLine, fmt.Sprintf("FirstLine (%d) or more", q.FirstLine))
	case q.ToByte > 0 && q.ToByte < q.FromByte:
		return BadQuery("ToByte", q.ToByte, fmt.Sprintf("FromByte (%d) or more", q.FromByte))
	case !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since):
		return BadQuery("Until", q.Until.Format(time.RFC3339Nano), "after Since ("+q.Since.Format(time.RFC3339Nano)+")")
	case q.Restart != nil && *q.Restart < 0:
		return BadQuery("Restart", *q.Restart, "0 or more")
	case q.Which < Every || q.Which > Previous:
		return BadQuery("Which", int(q.Which), "Every, Newest or Previous")
	}
	_, err := q.Grep.Compile()
	return err
}

// Matcher says which lines a Grep picks. A nil matcher picks all.
type Matcher struct {
	Grep
	Needle []byte         // what every matching line holds; empty: not known
	Expr   *regexp.Regexp // nil: the needle is all that is asked for
}

// Compile returns what matches lines, or a *QueryError where the expression or a bound is wrong. Of a nil Grep it is
// nil, which every line passes.
func (g *Grep) Compile() (*Matcher, error) {
	if g == nil {
		return nil, nil
	}
	switch {
	case len(g.Pattern) > maxPattern:
		return nil, BadQuery("Pattern", shortened(g.Pattern), fmt.Sprintf("at most %d bytes", maxPattern))
	case g.Fixed && strings.Contains(g.Pattern, "\n"):
		return nil, BadQuery("Pattern", g.Pattern, "without a newline, which no line holds")
	case g.Before < 0 || g.Before > MaxContext:
		return nil, BadQuery("Before", g.Before, fmt.Sprintf("0 to %d", MaxContext))
	case g.After < 0 || g.After > MaxContext:
		return nil, BadQuery("After", g.After, fmt.Sprintf("0 to %d", MaxContext))
	}
	m := &Matcher{Grep: *g}
	if g.Fixed && !g.Fold {
		m.Needle = []byte(g.Pattern)
		return m, nil
	}
	pattern := g.Expression()
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, BadQuery("Pattern", g.Pattern, "a regular expression in RE2 syntax: "+err.Error())
	}
	if n := programSize(parsed); n > maxProgram {
		want := fmt.Sprintf("an expression of at most %d steps, with its repetitions written out; it has %d", maxProgram, n)
		return nil, BadQuery("Pattern", shortened(g.Pattern), want)
	}
	expr, err := regexp.Compile(pattern)
	if err != nil {
		return nil, BadQuery("Pattern", g.Pattern, "a regular expression in RE2 syntax: "+err.Error())
	}
	m.Expr, m.Needle = expr, []byte(needle(pattern))
	return m, nil
}

// Expression returns the regular expression, in RE2 syntax, of what the lines are to match.
func (g *Grep) Expression() string {
	pattern := g.Pattern
	if g.Fixed {
		pattern = regexp.QuoteMeta(pattern)
	}
	if g.Fold {
		pattern = "(?i:" + pattern + ")"
	}
	return pattern
}

// programSize is how many steps an expression has, nearly, once it is compiled. It is told before that, for compiling
// costs, too.
func programSize(expr *syntax.Regexp) int {
	const enough = 1 << 20 // more is not told apart
	size := 0
	for _, sub := range expr.Sub {
		size = min(size+programSize(sub), enough)
	}
	switch expr.Op {
	case syntax.OpLiteral:
		size = len(expr.Rune)
	case syntax.OpConcat:
	case syntax.OpAlternate:
		size += len(expr.Sub) - 1
	case syntax.OpCapture:
		size += 2
	case syntax.OpRepeat:
		size = (size + 1) * max(1, expr.Max, expr.Min+1)
	default:
		size++
	}
	return min(size, enough)
}

// shortened is a pattern for an error text.
func shortened(pattern string) string {
	const most = 20
	if len(pattern) <= most {
		return pattern
	}
	return fmt.Sprintf("%.*s... (%d bytes)", most, pattern, len(pattern))
}

// Picks reports whether the line is one that is asked for.
func (m *Matcher) Picks(text []byte) bool {
	if m.Expr != nil {
		return m.Expr.Match(text) != m.Invert
	}
	return bytes.Contains(text, m.Needle) != m.Invert
}

// needle returns a text that every line holds which the expression matches; "" where none is known.
func needle(pattern string) string {
	expr, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	return needleOf(expr.Simplify())
}

func needleOf(expr *syntax.Regexp) string {
	switch expr.Op {
	case syntax.OpLiteral:
		// A byte that is no UTF-8 matches the rune that stands for such bytes.
		if expr.Flags&syntax.FoldCase == 0 && !slices.Contains(expr.Rune, utf8.RuneError) {
			return string(expr.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needleOf(expr.Sub[0])
	case syntax.OpRepeat:
		if expr.Min > 0 {
			return needleOf(expr.Sub[0])
		}
	case syntax.OpConcat:
		longest := ""
		for _, sub := range expr.Sub {
			if n := needleOf(sub); len(n) > len(longest) {
				longest = n
			}
		}
		return longest
	}
	return ""
}
