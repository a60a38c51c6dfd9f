package logql

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lineStage lets lines through: |= "a" or "b".
type lineStage struct {
	op     string
	values []string
	test   lineTest
}

func (s *lineStage) run(e *working) bool { return s.test.pass(e.line) }

func (s *lineStage) String() string {
	quoted := make([]string, len(s.values))
	for i, v := range s.values {
		quoted[i] = strconv.Quote(v)
	}
	return s.op + " " + strings.Join(quoted, " or ")
}

// labelStage lets lines through whose labels pass: | a="b" and c > 5.
type labelStage struct{ test labelTest }

func (s *labelStage) run(e *working) bool { return s.test.pass(e) }

func (s *labelStage) String() string { return "| " + s.test.String() }

// labelTest is a comparison of a label, or several.
type labelTest interface {
	String() string
	pass(e *working) bool
}

// matchTest compares texts. A label that is not there is empty.
type matchTest struct{ Matcher }

func (t *matchTest) pass(e *working) bool {
	value, _ := e.get(t.Name)
	return t.Matches(value)
}

// jointTest is two comparisons.
type jointTest struct {
	joint       string // and, or
	left, right labelTest
}

func (t *jointTest) pass(e *working) bool {
	left := t.left.pass(e)
	if left == (t.joint == "or") {
		return left
	}
	return t.right.pass(e)
}

func (t *jointTest) String() string {
	return "(" + t.left.String() + " " + t.joint + " " + t.right.String() + ")"
}

// compareTest compares numbers. A line without the label does not pass; one whose label is no number passes with an
// error.
type compareTest struct {
	name, op string
	kind     kind // number, length or size
	number   float64
	length   time.Duration
	size     float64
}

func (t *compareTest) pass(e *working) bool {
	value, ok := e.get(t.name)
	if !ok {
		return false
	}
	order, err := t.compare(value)
	if err != nil {
		e.fail("LabelFilterErr", err.Error())
		return true
	}
	return holds(t.op, order)
}

// compare gives how the value of the label stands to that of the filter.
func (t *compareTest) compare(value string) (int, error) {
	switch t.kind {
	case length:
		d, err := time.ParseDuration(value)
		return cmp.Compare(d, t.length), err
	case size:
		b, err := readSize(value)
		return cmp.Compare(b, t.size), err
	}
	n, err := strconv.ParseFloat(value, 64)
	if n != n { // NaN is not equal to anything, and not less or more
		return unordered, err
	}
	return cmp.Compare(n, t.number), err
}

const unordered = 2

func holds(op string, order int) bool {
	switch op {
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order == 1
	case ">=":
		return order == 0 || order == 1
	case "<":
		return order == -1
	default:
		return order == -1 || order == 0
	}
}

// String gives the comparison in the form that is read back.
func (t *compareTest) String() string {
	var value string
	switch t.kind {
	case length:
		value = t.length.String()
	case size:
		value = strconv.FormatFloat(t.size, 'f', -1, 64) + "B"
	default:
		value = strconv.FormatFloat(t.number, 'g', -1, 64)
	}
	return t.name + " " + t.op + " " + value
}

// dropStage takes labels away, or with keep all others: | drop a, b="c".
type dropStage struct {
	keep  bool
	items []dropItem
}

type dropItem struct {
	name    string
	matcher *Matcher // nil: whatever its value
}

func (x *dropItem) names(name, value string) bool {
	return x.name == name && (x.matcher == nil || x.matcher.Matches(value))
}

func (s *dropStage) run(e *working) bool {
	if s.keep {
		s.runKeep(e)
		return true
	}
	for i := range s.items {
		x := &s.items[i]
		if value, ok := e.get(x.name); ok && x.names(x.name, value) {
			e.remove(x.name)
		}
	}
	return true
}

func (s *dropStage) runKeep(e *working) {
	e.touch()
	for c := range e.labels {
		e.labels[c] = slices.DeleteFunc(e.labels[c], func(l Label) bool {
			if slices.ContainsFunc(s.items, func(x dropItem) bool { return x.names(l.Name, l.Value) }) {
				return false
			}
			if category(c) == ofLine {
				e.gone = append(e.gone, l.Name)
			}
			return true
		})
	}
}

func (s *dropStage) String() string {
	words := make([]string, len(s.items))
	for i, x := range s.items {
		words[i] = x.name
		if x.matcher != nil {
			words[i] = x.matcher.String()
		}
	}
	if s.keep {
		return "| keep " + strings.Join(words, ", ")
	}
	return "| drop " + strings.Join(words, ", ")
}
