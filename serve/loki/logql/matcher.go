package logql

import (
	"regexp"
	"strconv"
)

// Op compares the value of a label with that of a matcher.
type Op string

// The four ways to compare.
const (
	Equal     Op = "="
	NotEqual  Op = "!="
	Regexp    Op = "=~"
	NotRegexp Op = "!~"
)

// Matcher asks for a label: {job=~"train.*"} has one. A label that is not there counts as empty.
type Matcher struct {
	Name  string
	Op    Op
	Value string

	pattern *regexp.Regexp // of Regexp and NotRegexp
}

// NewMatcher compiles a matcher. A regular expression is RE2 and has to match the whole value; its dot matches newlines
// too.
func NewMatcher(name string, op Op, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op != Regexp && op != NotRegexp {
		return m, nil
	}
	pattern, err := compile("^(?s:" + value + ")$")
	if err != nil {
		// The expression as it was given: what stands around it is ours.
		if _, own := compile(value); own != nil {
			err = own
		}
		return m, err
	}
	m.pattern = pattern
	return m, nil
}

// Matches says whether the value of the label is asked for. A Matcher that NewMatcher or Parse did not make matches no
// regular expression.
func (m *Matcher) Matches(value string) bool {
	switch m.Op {
	case Equal:
		return value == m.Value
	case NotEqual:
		return value != m.Value
	case Regexp:
		return m.pattern != nil && m.pattern.MatchString(value)
	default:
		return m.pattern != nil && !m.pattern.MatchString(value)
	}
}

// String gives the matcher as it stands in a query.
func (m Matcher) String() string { return m.Name + string(m.Op) + strconv.Quote(m.Value) }

// MatchAll says whether labels satisfy every matcher.
func MatchAll(matchers []Matcher, labels Labels) bool {
	for i := range matchers {
		value, _ := labels.Get(matchers[i].Name)
		if !matchers[i].Matches(value) {
			return false
		}
	}
	return true
}

// narrow says whether at least one matcher refuses the empty value: Loki's rule for a selector, so that not everything
// is asked for by mistake.
func narrow(matchers []Matcher) bool {
	for i := range matchers {
		if !matchers[i].Matches("") {
			return true
		}
	}
	return false
}
