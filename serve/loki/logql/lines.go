package logql

import (
	"context"
	"slices"
	"strings"
)

// lines reads the answer to a log query.
type lines struct {
	Params
	spent   *meter
	streams map[string]*LogStream // by the key of their labels
	taken   int
	last    int64 // the time of the last line taken
}

// entryCost is about what an entry takes beside its text.
const entryCost = 96

func (l *lines) read(ctx context.Context, q *logQuery, source Source) (Streams, error) {
	p := newPipe(q)
	ask := Ask{Matchers: q.matchers, From: l.Start, To: l.End, Direction: l.Direction, Filter: p.filter}
	if !p.drops() && l.Interval == 0 {
		ask.Limit = l.Limit
	}
	if l.Start < l.End {
		for x, err := range source.Entries(ctx, ask) {
			if err == nil {
				err = l.spent.read(len(x.Line))
			}
			if err == nil && x.Time >= l.Start && x.Time < l.End && p.pass(x) && l.due(x.Time) {
				err = l.take(&p.entry)
			}
			if err != nil {
				return nil, err
			}
			if l.Limit > 0 && l.taken >= l.Limit {
				break
			}
		}
	}
	return l.answer(), ctx.Err()
}

// due says that enough time lies between a line and the last one taken.
func (l *lines) due(at int64) bool {
	if l.Interval == 0 || l.taken == 0 {
		return true
	}
	if l.Direction == Backward {
		return at <= l.last-int64(l.Interval)
	}
	return at >= l.last+int64(l.Interval)
}

func (l *lines) take(e *working) error {
	l.taken++
	l.last = e.at
	labels, line := e.answer(l.Categorize)
	e.key = labels.appendKey(e.key[:0])
	stream := l.streams[string(e.key)]
	cost := int64(len(line.Line)) + entryCost + line.Meta.size() + line.Parsed.size()
	if stream == nil {
		stream = &LogStream{Labels: labels.clone()}
		l.streams[string(e.key)] = stream
		cost += 2*labels.size() + entryCost
	}
	stream.Entries = append(stream.Entries, line)
	return l.spent.hold(cost)
}

func (l *lines) answer() Streams {
	type named struct {
		name   string
		stream *LogStream
	}
	all := make([]named, 0, len(l.streams))
	for _, s := range l.streams {
		all = append(all, named{s.Labels.String(), s})
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	streams := make(Streams, len(all))
	for i, n := range all {
		streams[i] = *n.stream
	}
	return streams
}
