package logql

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// evaluation is a metric query at work: each part of it gives a table.
type evaluation struct {
	start, step int64
	steps       int
	source      Source
	spent       *meter
}

// table is the samples of a part of a query at all steps, sorted by labels.
type table struct{ rows []*row }

// row is one series.
type row struct {
	labels Labels
	values column
}

func (t *table) sort() {
	slices.SortFunc(t.rows, func(a, b *row) int { return a.labels.compare(b.labels) })
}

func (v *evaluation) table(ctx context.Context, query Expr) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch q := query.(type) {
	case *literal:
		r, err := v.row(nil, func(int) (float64, bool) { return q.value, true })
		return &table{[]*row{r}}, err
	case *rangeQuery:
		return v.count(ctx, q, nil)
	case *aggregation:
		return v.aggregate(ctx, q)
	case *binary:
		left, err := v.table(ctx, q.left)
		if err != nil {
			return nil, err
		}
		right, err := v.table(ctx, q.right)
		if err != nil {
			return nil, err
		}
		return v.compute(q, left, right)
	}
	return nil, ErrLogInstant // Parse gives none with lines inside
}

// row makes a series of what a function gives for each step.
func (v *evaluation) row(labels Labels, at func(step int) (float64, bool)) (*row, error) {
	r := &row{labels: labels, values: newColumn(v.steps)}
	grown := labels.size() + int64(len(r.values.pages))*8
	for step := range v.steps {
		if value, ok := at(step); ok {
			grown += r.values.set(step, value)
		}
	}
	return r, v.spent.hold(grown)
}

// matrix gives the answer.
func (v *evaluation) matrix(t *table) (Matrix, error) {
	t.sort()
	m := Matrix{}
	for _, r := range t.rows {
		s := Series{Labels: r.labels}
		for step := range v.steps {
			if value, ok := r.values.get(step); ok {
				s.Points = append(s.Points, Point{v.start + int64(step)*v.step, value})
			}
		}
		if len(s.Points) > 0 {
			m = append(m, s)
		}
		if err := v.spent.hold(int64(len(s.Points)) * 16); err != nil {
			return nil, err
		}
	}
	return m, v.spent.series(len(m))
}

// aggregate joins the series of each group.
func (v *evaluation) aggregate(ctx context.Context, q *aggregation) (*table, error) {
	group := cmp.Or(q.group, &Grouping{})
	if counts, ok := q.inner.(*rangeQuery); ok && q.op == "sum" { // counted together at once
		return v.count(ctx, counts, group)
	}
	inner, err := v.table(ctx, q.inner)
	if err != nil {
		return nil, err
	}
	byKey := map[string]*table{}
	var keys []string
	for _, r := range inner.rows {
		labels := keep(slices.Clone(r.labels), group)
		key := string(labels.appendKey(nil))
		if byKey[key] == nil {
			byKey[key] = &table{}
			keys = append(keys, key)
		}
		byKey[key].rows = append(byKey[key].rows, r)
	}
	out := &table{}
	for _, key := range keys {
		rows, err := v.join(q, group, byKey[key].rows)
		if err != nil {
			return nil, err
		}
		out.rows = append(out.rows, rows...)
	}
	out.sort()
	return out, nil
}

// join makes one series of a group, or with topk and bottomk some.
func (v *evaluation) join(q *aggregation, group *Grouping, rows []*row) ([]*row, error) {
	if q.k > 0 {
		return v.pick(q, rows)
	}
	labels := keep(slices.Clone(rows[0].labels), group)
	r, err := v.row(labels, func(step int) (float64, bool) { return reduce(q.op, rows, step) })
	return []*row{r}, err
}

// reduce gives one value for those of a step.
func reduce(op string, rows []*row, step int) (value float64, ok bool) {
	n := 0.0
	for _, r := range rows {
		x, ok := r.values.get(step)
		if !ok {
			continue
		}
		n++
		switch {
		case n == 1:
			value = x
		case op == "min":
			if x < value || math.IsNaN(value) {
				value = x
			}
		case op == "max":
			if x > value || math.IsNaN(value) {
				value = x
			}
		default:
			value += x
		}
	}
	switch op {
	case "avg":
		value /= n
	case "count":
		value = n
	}
	return value, n > 0
}

// pick keeps of each step the k largest or smallest values, of equal ones those whose labels come first. NaN comes
// last.
func (v *evaluation) pick(q *aggregation, rows []*row) ([]*row, error) {
	out := make([]*row, len(rows))
	for i, r := range rows {
		out[i] = &row{labels: r.labels, values: newColumn(v.steps)}
	}
	type value struct {
		row int
		v   float64
	}
	var all []value
	for step := range v.steps {
		all = all[:0]
		for i, r := range rows {
			if x, ok := r.values.get(step); ok {
				all = append(all, value{i, x})
			}
		}
		slices.SortStableFunc(all, func(a, b value) int {
			if math.IsNaN(a.v) || math.IsNaN(b.v) {
				return cmp.Compare(b.v, a.v) // NaN is less than all else
			}
			if q.op == "topk" {
				return cmp.Compare(b.v, a.v)
			}
			return cmp.Compare(a.v, b.v)
		})
		for _, x := range all[:min(q.k, len(all))] {
			if err := v.spent.hold(out[x.row].values.set(step, x.v)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
