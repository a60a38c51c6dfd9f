package logql

import (
	"fmt"
	"math"
	"slices"
)

// compute applies an operator to two tables.
func (v *evaluation) compute(q *binary, left, right *table) (*table, error) {
	out := &table{}
	one := func(labels Labels, at func(step int) (float64, bool)) error {
		r, err := v.row(labels, at)
		out.rows = append(out.rows, r)
		return err
	}
	switch l, r := isScalar(q.left), isScalar(q.right); {
	case l && r:
		a, b := left.rows[0], right.rows[0]
		scalars := binary{op: q.op, truth: true} // there is nothing to filter
		return out, one(nil, func(step int) (float64, bool) { return scalars.at(a, b, step, false) })
	case r:
		for _, a := range left.rows {
			if err := one(a.labels, func(step int) (float64, bool) { return q.at(a, right.rows[0], step, false) }); err != nil {
				return nil, err
			}
		}
		return out, nil
	case l:
		for _, b := range right.rows {
			if err := one(b.labels, func(step int) (float64, bool) { return q.at(left.rows[0], b, step, true) }); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if isSet(q.op) {
		return v.computeSet(q, left, right)
	}
	return v.computeVectors(q, left, right)
}

// at applies the operator to the samples of a step. A comparison that does not hold gives none; one that holds gives
// the left value, or with swapped the right one.
func (q *binary) at(a, b *row, step int, swapped bool) (float64, bool) {
	x, okA := a.values.get(step)
	y, okB := b.values.get(step)
	if !okA || !okB {
		return 0, false
	}
	if !isComparison(q.op) {
		return arithmetic(q.op, x, y), true
	}
	is := compares(q.op, x, y)
	switch {
	case q.truth && is:
		return 1, true
	case q.truth:
		return 0, true
	case swapped:
		return y, is
	}
	return x, is
}

// arithmetic is Loki's: a division by zero is no number.
func arithmetic(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "^":
		return math.Pow(x, y)
	}
	if y == 0 {
		return math.NaN()
	}
	if op == "/" {
		return x / y
	}
	return math.Mod(x, y)
}

func compares(op string, x, y float64) bool {
	switch op {
	case "==":
		return x == y
	case "!=":
		return x != y
	case ">":
		return x > y
	case ">=":
		return x >= y
	case "<":
		return x < y
	default:
		return x <= y
	}
}

// matchOn gives the labels that have to be equal.
func (q *binary) matchOn(labels Labels) Labels {
	if q.on == nil {
		return labels
	}
	return keep(slices.Clone(labels), q.on)
}

// bySide puts the series together that the other side is matched with as one.
func (q *binary) bySide(t *table) map[string][]*row {
	all := map[string][]*row{}
	for _, r := range t.rows {
		key := string(q.matchOn(r.labels).appendKey(nil))
		all[key] = append(all[key], r)
	}
	return all
}

// present gives the row that has a sample at a step; two are one too many.
func present(rows []*row, step int) (found *row, twice bool) {
	for _, r := range rows {
		if _, ok := r.values.get(step); ok {
			if found != nil {
				return nil, true
			}
			found = r
		}
	}
	return found, false
}

func (v *evaluation) computeVectors(q *binary, left, right *table) (*table, error) {
	lefts, rights := q.bySide(left), q.bySide(right)
	out := &table{}
	var many error
	for key, as := range lefts {
		bs := rights[key]
		for _, a := range as {
			labels := keep(slices.Clone(q.matchOn(a.labels)), &Grouping{Without: true}) // none without a value
			r, err := v.row(labels, func(step int) (float64, bool) {
				if _, ok := a.values.get(step); !ok {
					return 0, false
				}
				b, twice := present(bs, step)
				if b == nil && !twice {
					return 0, false
				}
				if _, more := present(as, step); twice || more {
					many = manyError(q, labels)
					return 0, false
				}
				return q.at(a, b, step, false)
			})
			if err != nil {
				return nil, err
			}
			out.rows = append(out.rows, r)
		}
	}
	return v.merge(out), many
}

func manyError(q *binary, labels Labels) error {
	return &EvalError{fmt.Sprintf("found duplicate series for the match group %s of the operator %s: many-to-many matching not allowed", labels, q.op)}
}

// merge makes one row of those with equal labels: on and ignoring leave rows that have samples at different steps.
func (v *evaluation) merge(t *table) *table {
	t.sort()
	out := &table{}
	for _, r := range t.rows {
		last := len(out.rows) - 1
		if last < 0 || out.rows[last].labels.compare(r.labels) != 0 {
			out.rows = append(out.rows, r)
			continue
		}
		for step := range v.steps {
			if value, ok := r.values.get(step); ok {
				out.rows[last].values.set(step, value)
			}
		}
	}
	return out
}

// computeSet is and, or and unless.
func (v *evaluation) computeSet(q *binary, left, right *table) (*table, error) {
	out := &table{}
	add := func(from *table, others map[string][]*row, want bool) error {
		for _, r := range from.rows {
			rows := others[string(q.matchOn(r.labels).appendKey(nil))]
			kept, err := v.row(r.labels, func(step int) (float64, bool) {
				x, ok := r.values.get(step)
				return x, ok && slices.ContainsFunc(rows, func(o *row) bool { _, has := o.values.get(step); return has }) == want
			})
			if err != nil {
				return err
			}
			out.rows = append(out.rows, kept)
		}
		return nil
	}
	var err error
	switch q.op {
	case "and":
		err = add(left, q.bySide(right), true)
	case "unless":
		err = add(left, q.bySide(right), false)
	default:
		out.rows = append(out.rows, left.rows...)
		err = add(right, q.bySide(left), false)
	}
	return v.merge(out), err
}
