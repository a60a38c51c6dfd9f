package logql

import (
	"math"
	"slices"
	"strings"
)

var (
	rangeOps  = []string{"count_over_time", "rate", "bytes_over_time", "bytes_rate"}
	vectorOps = []string{"sum", "min", "max", "avg", "count", "topk", "bottomk"}
	// refusedOps are functions of LogQL that are not answered here.
	refusedOps = []string{
		"absent_over_time", "avg_over_time", "first_over_time", "last_over_time", "max_over_time", "min_over_time",
		"quantile_over_time", "rate_counter", "stddev_over_time", "stdvar_over_time", "sum_over_time",
		"approx_topk", "label_replace", "sort", "sort_desc", "stddev", "stdvar", "variants",
	}
)

// strength orders the operators; of two the stronger one is applied first.
var strength = map[string]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

func isSet(op string) bool { return strength[op] == 1 || strength[op] == 2 }

func isComparison(op string) bool { return strength[op] == 3 }

// expression reads operands and the operators between them that are stronger than least.
func (p *parser) expression(least int) Expr {
	start := p.peek()
	p.deeper(start)
	left := p.operand()
	for {
		op := p.peek()
		op.raw = strings.ToLower(op.raw)
		s := strength[op.raw]
		if op.kind != sign && op.kind != word || s == 0 || s <= least {
			p.depth--
			return left
		}
		p.next()
		q := &binary{op: op.raw, left: left}
		p.modifiers(q)
		right := p.peek()
		if op.raw == "^" { // of two the right one is applied first
			s--
		}
		q.right = p.expression(s)
		p.sides(q, start, op, right)
		left = q
	}
}

// modifiers reads bool, on and ignoring.
func (p *parser) modifiers(q *binary) {
	if t := p.peek(); p.take("bool") {
		if !isComparison(q.op) {
			p.fail(t, "bool stands only after a comparison")
		}
		q.truth = true
	}
	if t := p.peek(); p.take("on") || p.take("ignoring") {
		q.on = &Grouping{Labels: p.names(), Without: t.is("ignoring")}
		if t := p.peek(); t.is("group_left") || t.is("group_right") {
			p.refuse(t, t.raw)
		}
	}
}

// sides refuses operands that an operator cannot take.
func (p *parser) sides(q *binary, left, op, right token) {
	for _, side := range []struct {
		at   token
		expr Expr
	}{{left, q.left}, {right, q.right}} {
		switch {
		case IsLog(side.expr):
			p.fail(side.at, "the operator %s needs numbers on both sides, and these are lines", op.raw)
		case isScalar(side.expr) && isSet(op.raw):
			p.fail(side.at, "the operator %s needs samples on both sides, and this is a number", op.raw)
		case isScalar(side.expr) && q.on != nil:
			p.fail(side.at, "on and ignoring need samples on both sides, and this is a number")
		}
	}
}

// isScalar says that a query gives one number without labels.
func isScalar(e Expr) bool {
	switch q := e.(type) {
	case *literal:
		return !q.vector
	case *binary:
		return isScalar(q.left) && isScalar(q.right)
	}
	return false
}

func (p *parser) operand() Expr {
	t := p.peek()
	switch {
	case t.is("{"):
		return p.log()
	case t.is("("):
		p.next()
		inner := p.expression(0)
		p.expect(")")
		return inner
	case t.kind == number || t.is("+") || t.is("-"):
		return &literal{value: p.number()}
	case t.kind != word:
		p.unexpected(t, `"{", "(", a number or a function`)
	}
	return p.function(p.next())
}

func (p *parser) function(name token) Expr {
	written := name
	name.raw = strings.ToLower(name.raw)
	switch {
	case name.raw == "vector":
		p.expect("(")
		q := &literal{value: p.number(), vector: true}
		p.expect(")")
		return q
	case slices.Contains(rangeOps, name.raw):
		return p.rangeOf(name)
	case slices.Contains(vectorOps, name.raw):
		return p.aggregation(name)
	case slices.Contains(refusedOps, name.raw):
		p.refuse(name, "the function "+name.raw)
	}
	p.unexpected(written, `"{", or one of the functions `+list(slices.Concat(rangeOps, vectorOps))+", vector")
	return nil
}

// aggregation reads sum by (a) (...), or sum(...) by (a).
func (p *parser) aggregation(op token) *aggregation {
	q := &aggregation{op: op.raw, group: p.grouping()}
	p.expect("(")
	if op.raw == "topk" || op.raw == "bottomk" {
		t := p.peek()
		k := p.number()
		if k < 1 || k > math.MaxInt32 || k != math.Trunc(k) {
			p.fail(t, "the number of %s has to be whole and more than 0", op.raw)
		}
		q.k = int(k)
		p.expect(",")
	}
	t := p.peek()
	q.inner = p.expression(0)
	switch {
	case IsLog(q.inner):
		p.fail(t, "%s needs numbers, and these are lines: count them first, as with count_over_time", op.raw)
	case isScalar(q.inner):
		p.fail(t, "%s needs samples, and this is a number", op.raw)
	}
	p.expect(")")
	if t := p.peek(); t.is("by") || t.is("without") {
		if q.group != nil {
			p.unexpected(t, "no second grouping")
		}
		q.group = p.grouping()
	}
	return q
}

func (p *parser) grouping() *Grouping {
	without := p.peek().is("without")
	if !p.take("by") && !p.take("without") {
		return nil
	}
	return &Grouping{Labels: p.names(), Without: without}
}
