package loki

import (
	"errors"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// queryRange answers with the lines of a time, or with samples over it.
func (a *api) queryRange(q *question) error {
	start, end := q.span()
	q.ordered(start, end)
	p := logql.Params{
		Direction: q.direction(), Limit: q.lines(), Interval: q.duration("interval", 0), Step: q.step(start, end),
		Start: start.UnixNano(), End: end.UnixNano(), Categorize: q.categorizes(),
	}
	if p.Interval < 0 {
		q.fail("interval must be >= 0")
	}
	query := q.query()
	if q.err != nil {
		return q.err
	}
	if logql.IsLog(query) {
		q.source.numbers = p.Categorize
	} else {
		p.Start, p.End = aligned(p.Start, p.End, p.Step)
	}
	if err := a.hold(q.ctx); err != nil {
		return err
	}
	begun := time.Now()
	result, err := a.engine.Range(q.ctx, query, p, q.source)
	if err != nil {
		return err
	}
	return q.result(result, begun)
}

// aligned has a range begin and end at a multiple of the step, so that a panel that is drawn again shows the same
// points.
func aligned(start, end int64, step time.Duration) (int64, int64) {
	s := int64(step)
	start -= start % s
	if rest := end % s; rest != 0 {
		end += s - rest
	}
	return start, end
}

// query answers with samples at one moment.
func (a *api) query(q *question) error {
	at := q.time("time", q.now)
	q.lines()
	q.direction()
	query := q.query()
	if q.err != nil {
		return q.err
	}
	if err := a.hold(q.ctx); err != nil {
		return err
	}
	begun := time.Now()
	result, err := a.engine.Instant(q.ctx, query, at.UnixNano(), q.source)
	if err != nil {
		return err
	}
	return q.result(result, begun)
}

func (q *question) result(result logql.Result, begun time.Time) error {
	return writeResult(q.w, result, q.categorizes(), func(entries int) summary {
		return summaryOf(q.source, time.Since(begun), entries)
	})
}

// categorizes says whether the client wants structured metadata apart from labels.
func (q *question) categorizes() bool {
	for _, value := range q.r.Header.Values(flagsHeader) {
		for flag := range strings.SplitSeq(value, ",") {
			if strings.TrimSpace(flag) == categorize {
				return true
			}
		}
	}
	return false
}

// formatQuery answers with a query as it was understood.
func (a *api) formatQuery(q *question) error {
	query := q.query()
	if q.err != nil {
		return q.err
	}
	return answerData(q.w, query.String())
}

// errNoSelector is a query that reads nothing where it is to say what to look at.
var errNoSelector = errors.New("want a query with one selector, as {namespace=\"jobs\"}")

// selected reads the query as a selector: the one of a whole query, where it is more than that.
func (q *question) selected() []logql.Matcher {
	text := strings.TrimSpace(q.text("query"))
	if text == "" || text == "{}" {
		return nil
	}
	query, err := logql.Parse(text)
	if err != nil {
		return q.selector(text)
	}
	selectors := logql.Selectors(query)
	if len(selectors) != 1 {
		q.fail("%s", errNoSelector)
		return nil
	}
	return selectors[0]
}
