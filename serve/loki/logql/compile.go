package logql

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// mostSteps is how large a regular expression may be, and all of a query together, their repetitions written out: a few
// characters can ask for much.
const mostSteps = 10_000

// compile compiles a regular expression of bounded size.
func compile(expr string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if n := stepsOf(parsed); n > mostSteps {
		return nil, fmt.Errorf("the regular expression has more than %d steps, its repetitions written out", mostSteps)
	}
	return regexp.Compile(expr)
}

// spend counts a regular expression of a query.
func (p *parser) spend(t token) {
	parsed, err := syntax.Parse(t.text, syntax.Perl)
	if err != nil {
		return // compile says so
	}
	if p.steps += stepsOf(parsed); p.steps > mostSteps {
		p.fail(t, "the regular expressions have more than %d steps, their repetitions written out", mostSteps)
	}
}

// stepsOf is how many steps an expression has, nearly.
func stepsOf(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n = min(n+stepsOf(sub), mostSteps+1)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpRepeat:
		n *= max(1, re.Min+1, re.Max)
	}
	return min(n, mostSteps+1)
}
