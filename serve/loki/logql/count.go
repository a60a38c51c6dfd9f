package logql

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// counting is the evaluation of a range aggregation.
type counting struct {
	op      string
	group   *Grouping // what series are told apart by; nil: all labels
	windows Windows
	spent   *meter
	byKey   map[string]*counter
	pipe    *pipe
	bytes   bool // bytes are counted, beside lines
}

// counter is one series while lines come.
type counter struct {
	labels       Labels
	lines, bytes changes
}

// count evaluates a range aggregation, or the sum of one.
func (v *evaluation) count(ctx context.Context, q *rangeQuery, group *Grouping) (*table, error) {
	c := &counting{
		op: q.op, group: group, spent: v.spent, byKey: map[string]*counter{}, pipe: newPipe(q.log),
		windows: Windows{First: v.start - int64(q.offset), Step: v.step, Steps: v.steps, Range: int64(q.window)},
		bytes:   strings.HasPrefix(q.op, "bytes_"),
	}
	if group != nil && !group.Without && len(group.Labels) == 0 {
		c.pipe.forgetLabels(c.bytes)
	}
	if counted, err := c.runs(ctx, v.source, q); counted || err != nil {
		if err != nil {
			return nil, err
		}
		return c.table(ctx)
	}
	ask := Ask{
		Matchers: q.log.matchers, From: c.windows.From(), To: c.windows.To(), Direction: AnyOrder, Filter: c.pipe.filter,
	}
	for x, err := range v.source.Entries(ctx, ask) {
		if err == nil {
			err = c.entry(x)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.table(ctx)
}

// runs counts without reading text, where the query and the source allow it.
func (c *counting) runs(ctx context.Context, source Source, q *rangeQuery) (counted bool, err error) {
	counter, ok := source.(Counter)
	if !ok || !c.pipe.bare() {
		return false, nil
	}
	runs, ok := counter.Runs(ctx, q.log.matchers, *cmp.Or(c.group, &Grouping{Without: true}), c.windows)
	if !ok {
		return false, nil
	}
	for run, err := range runs {
		if err == nil {
			err = c.run(run)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *counting) run(r Run) error {
	low, high := c.windows.span(r.Time)
	if low == high || r.Lines == 0 {
		return nil
	}
	c.pipe.entry.start(Entry{Time: r.Time, Stream: r.Stream, Meta: r.Meta})
	return c.add(low, high, r.Lines, r.Bytes)
}

func (c *counting) entry(x Entry) error {
	if err := c.spent.read(len(x.Line)); err != nil {
		return err
	}
	if !c.pipe.filter.Pass(x.Line) {
		return nil
	}
	low, high := c.windows.span(x.Time)
	if low == high || !c.pipe.run(x) {
		return nil
	}
	if c.pipe.entry.err != "" {
		return pipeError(&c.pipe.entry)
	}
	return c.add(low, high, 1, int64(len(c.pipe.entry.line)))
}

// add counts lines of the labels of the entry into the windows of the steps from low to before high.
func (c *counting) add(low, high int, lines, bytes int64) error {
	e := &c.pipe.entry
	labels := e.grouped(c.group)
	e.key = labels.appendKey(e.key[:0])
	at := c.byKey[string(e.key)]
	var grown int64
	if at == nil {
		if err := c.spent.series(len(c.byKey) + 1); err != nil {
			return err
		}
		at = &counter{labels: labels.clone(), lines: newChanges(c.windows.Steps)}
		if c.bytes {
			at.bytes = newChanges(c.windows.Steps)
		}
		c.byKey[string(e.key)] = at
		grown = 2*labels.size() + 2*int64(len(at.lines.pages))*8
	}
	grown += at.lines.add(low, lines) + at.lines.add(high, -lines)
	if c.bytes {
		grown += at.bytes.add(low, bytes) + at.bytes.add(high, -bytes)
	}
	return c.spent.hold(grown)
}

// table gives the samples.
func (c *counting) table(ctx context.Context) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &table{}
	seconds := 1.0
	if strings.HasSuffix(c.op, "rate") {
		seconds = float64(c.windows.Range) / 1e9
	}
	for _, at := range c.byKey {
		r := &row{labels: at.labels, values: newColumn(c.windows.Steps)}
		var lines, bytes int64
		for step := range c.windows.Steps {
			lines += at.lines.at(step)
			value := lines
			if c.bytes {
				bytes += at.bytes.at(step)
				value = bytes
			}
			if lines == 0 { // an empty window is no sample
				continue
			}
			if err := c.spent.hold(r.values.set(step, float64(value)/seconds)); err != nil {
				return nil, err
			}
		}
		t.rows = append(t.rows, r)
	}
	t.sort()
	return t, nil
}

// grouped gives the labels that a grouping keeps, sorted; good until the next call. nil keeps all.
func (e *working) grouped(g *Grouping) Labels {
	switch {
	case g == nil:
		return e.merged()
	case g.Without:
		e.all = append(e.all[:0], e.merged()...)
		return keep(e.all, g)
	}
	e.all = e.all[:0]
	for _, name := range g.Labels {
		if value, ok := e.get(name); ok {
			e.all = append(e.all, Label{name, value})
		}
	}
	e.all.sort()
	return slices.CompactFunc(e.all, func(a, b Label) bool { return a.Name == b.Name })
}

// keep takes away in place what a grouping does not keep. Without some labels, those without a value go too.
func keep(labels Labels, g *Grouping) Labels {
	return slices.DeleteFunc(labels, func(l Label) bool {
		return slices.Contains(g.Labels, l.Name) == g.Without || g.Without && l.Value == ""
	})
}
