package logql

import (
	"strconv"
	"strings"
	"time"
)

// Expr is a query that was understood. It never changes, and may be evaluated by many at once.
type Expr interface {
	// String gives the query in a form that parses to the same query.
	String() string
	// selectors calls back with the matchers of each selector.
	selectors(func([]Matcher))
}

// logQuery asks for lines: {job="a"} |= "b" | json.
type logQuery struct {
	matchers []Matcher
	stages   []stage
}

// rangeQuery counts lines in windows: rate({job="a"}[5m] offset 1h).
type rangeQuery struct {
	op     string
	log    *logQuery
	window time.Duration
	offset time.Duration
}

// aggregation joins series: sum by (job) (inner).
type aggregation struct {
	op    string
	k     int // of topk and bottomk
	group *Grouping
	inner Expr
}

// binary computes with two sides.
type binary struct {
	op          string
	left, right Expr
	truth       bool      // bool: a comparison gives 0 or 1
	on          *Grouping // which labels have to be equal; nil: all
}

// literal is a number; with vector it is a sample without labels.
type literal struct {
	value  float64
	vector bool
}

// Selectors gives the matchers of each selector of a query: what it reads.
func Selectors(e Expr) [][]Matcher {
	var all [][]Matcher
	e.selectors(func(m []Matcher) { all = append(all, m) })
	return all
}

// IsLog says whether a query asks for lines, and not for numbers.
func IsLog(e Expr) bool {
	_, ok := e.(*logQuery)
	return ok
}

func (q *logQuery) selectors(give func([]Matcher))    { give(q.matchers) }
func (q *rangeQuery) selectors(give func([]Matcher))  { give(q.log.matchers) }
func (q *aggregation) selectors(give func([]Matcher)) { q.inner.selectors(give) }
func (q *literal) selectors(func([]Matcher))          {}
func (q *binary) selectors(give func([]Matcher)) {
	q.left.selectors(give)
	q.right.selectors(give)
}

func (q *logQuery) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range q.matchers {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.String())
	}
	b.WriteByte('}')
	for _, s := range q.stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

func (q *rangeQuery) String() string {
	s := q.op + "(" + q.log.String() + " [" + q.window.String() + "]"
	if q.offset != 0 {
		s += " offset " + q.offset.String()
	}
	return s + ")"
}

func (q *aggregation) String() string {
	var b strings.Builder
	b.WriteString(q.op)
	if q.group != nil {
		if q.group.Without {
			b.WriteString(" without (")
		} else {
			b.WriteString(" by (")
		}
		b.WriteString(strings.Join(q.group.Labels, ", ") + ") ")
	}
	b.WriteByte('(')
	if q.k > 0 {
		b.WriteString(strconv.Itoa(q.k) + ", ")
	}
	return b.String() + q.inner.String() + ")"
}

func (q *binary) String() string {
	s := "(" + q.left.String() + " " + q.op
	if q.truth {
		s += " bool"
	}
	if q.on != nil {
		word := " on ("
		if q.on.Without {
			word = " ignoring ("
		}
		s += word + strings.Join(q.on.Labels, ", ") + ")"
	}
	return s + " " + q.right.String() + ")"
}

func (q *literal) String() string {
	s := strconv.FormatFloat(q.value, 'g', -1, 64)
	if q.vector {
		return "vector(" + s + ")"
	}
	return s
}

// stage is one step of a pipeline.
type stage interface {
	// String gives the stage with the sign in front of it.
	String() string
	// run changes the entry; false: it is filtered out.
	run(e *working) bool
}
