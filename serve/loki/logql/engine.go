package logql

import (
	"context"
	"strings"
	"time"
)

// Ceiling is the most that one query may have of something. The zero value is no bound.
type Ceiling struct {
	Most    int64
	Setting string // what an error names
}

// Ceilings bound what a query costs.
type Ceilings struct {
	Steps  Ceiling // of a range
	Series Ceiling // that a part of a metric query counts, or that is given
	Bytes  Ceiling // of the lines that the source gives to one query
	Memory Ceiling // bytes that a query holds: its entries, or its counters; about
}

// Engine evaluates. It holds nothing but its ceilings and may be used by many at once.
type Engine struct{ Ceilings Ceilings }

// Params are those of Loki's query_range.
type Params struct {
	Start, End int64 // ns since 1970; of a log query start <= time < end, of a metric query the first and the last step
	Step       time.Duration
	Limit      int // lines of a log query; 0: none
	Direction  Direction
	Interval   time.Duration // at most one line of a log query for each; 0: all
	Categorize bool          // see LogStream and LogEntry
}

// Range answers query_range: Streams of a log query, a Matrix of a metric query.
func (e Engine) Range(ctx context.Context, query Expr, p Params, source Source) (Result, error) {
	spent := meter{ceilings: e.Ceilings}
	if q, ok := query.(*logQuery); ok {
		if p.Direction == AnyOrder {
			p.Direction = Backward
		}
		return (&lines{Params: p, spent: &spent, streams: map[string]*LogStream{}}).read(ctx, q, source)
	}
	if p.Step <= 0 || p.End < p.Start || !told(p.Start) || !told(p.End) {
		return nil, &EvalError{"the step has to be more than 0, the end not before the start, and both between 1750 and 2200"}
	}
	steps := (p.End-p.Start)/int64(p.Step) + 1
	if err := over(steps, "steps", e.Ceilings.Steps); err != nil {
		return nil, err
	}
	v := evaluation{start: p.Start, step: int64(p.Step), steps: int(steps), source: source, spent: &spent}
	t, err := v.table(ctx, query)
	if err != nil {
		return nil, err
	}
	return v.matrix(t)
}

// Instant answers query: a Vector or a Scalar. A log query is ErrLogInstant.
func (e Engine) Instant(ctx context.Context, query Expr, at int64, source Source) (Result, error) {
	if IsLog(query) {
		return nil, ErrLogInstant
	}
	if !told(at) {
		return nil, &EvalError{"the time has to be between 1750 and 2200"}
	}
	v := evaluation{start: at, step: 1, steps: 1, source: source, spent: &meter{ceilings: e.Ceilings}}
	t, err := v.table(ctx, query)
	if err != nil {
		return nil, err
	}
	if isScalar(query) {
		value, _ := t.rows[0].values.get(0)
		return Scalar{Time: at, Value: value}, nil
	}
	m, err := v.matrix(t)
	if err != nil {
		return nil, err
	}
	vector := Vector{}
	for _, s := range m {
		vector = append(vector, Sample{Labels: s.Labels, Point: s.Points[0]})
	}
	return vector, nil
}

// told says that a time can be reckoned with: a range and an offset, either way, stay within what nanoseconds can tell.
func told(at int64) bool { return at > -7_258_118_400e9 && at < 7_258_118_400e9 }

// meter holds what a query takes against the ceilings.
type meter struct {
	ceilings      Ceilings
	bytes, memory int64
}

func over(n int64, what string, c Ceiling) error {
	if c.Most > 0 && n > c.Most {
		return &CeilingError{What: what, Most: c.Most, Setting: c.Setting}
	}
	return nil
}

// read counts bytes that the source gave.
func (m *meter) read(n int) error {
	m.bytes += int64(n)
	return over(m.bytes, "bytes of lines", m.ceilings.Bytes)
}

// hold counts bytes that stay until the answer.
func (m *meter) hold(n int64) error {
	m.memory += n
	return over(m.memory, "bytes of memory", m.ceilings.Memory)
}

func (m *meter) series(n int) error { return over(int64(n), "series", m.ceilings.Series) }

// pipeError is a series that a stage could not do its work on: a number made of it could be wrong.
func pipeError(e *working) error {
	var b strings.Builder
	b.WriteString("pipeline error: '" + e.err + "' for series: '" + e.merged().String() + "'. ")
	b.WriteString(`Leave such lines out with | __error__="", or count them as they are with | drop __error__, __error_details__`)
	return &EvalError{b.String()}
}
