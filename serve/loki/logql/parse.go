package logql

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Bounds of a query. What is beyond them is refused.
const (
	mostQuery  = 128 << 10                 // bytes
	mostTokens = 10_000                    // words and signs
	mostDepth  = 100                       // parts in each other
	mostLength = 20 * 365 * 24 * time.Hour // of a range and an offset
)

// parser reads tokens from the left to the right. The first error ends it by a panic that Parse catches: nothing else
// has to look at errors, and none can be forgotten.
type parser struct {
	query  string
	tokens []token
	at     int
	depth  int
	steps  int // of regular expressions
}

// Parse reads a query. The error is a *SyntaxError.
func Parse(query string) (e Expr, err error) {
	err = parse(query, func(p *parser) { e = p.expression(0) })
	if err != nil {
		return nil, err
	}
	return e, nil
}

// ParseMatchers reads a selector alone, as match[] of the series endpoint; {} asks for everything. The error is a
// *SyntaxError.
func ParseMatchers(selector string) (matchers []Matcher, err error) {
	err = parse(selector, func(p *parser) { matchers = p.matchers() })
	return matchers, err
}

func parse(query string, read func(*parser)) (err error) {
	if len(query) > mostQuery {
		return &SyntaxError{Line: 1, Col: 1, Msg: fmt.Sprintf("the query is longer than %d bytes", mostQuery), Query: query}
	}
	p := &parser{query: query}
	if p.tokens, err = tokens(query); err != nil {
		return err
	}
	if t := p.tokens[min(mostTokens, len(p.tokens)-1)]; t.kind != end {
		return &SyntaxError{Line: t.line, Col: t.col, Msg: fmt.Sprintf("the query has more than %d words", mostTokens), Query: query}
	}
	defer func() {
		if r := recover(); r != nil {
			syntax, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			err = syntax
		}
	}()
	read(p)
	if t := p.peek(); t.kind != end {
		p.unexpected(t, "the end of the query")
	}
	return nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// take goes over a sign or word, where it stands there.
func (p *parser) take(raw string) bool {
	if p.peek().is(raw) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(raw string) {
	if t := p.next(); !t.is(raw) {
		p.unexpected(t, `"`+raw+`"`)
	}
}

func (p *parser) expectKind(k kind, want string) token {
	t := p.next()
	if t.kind != k {
		p.unexpected(t, want)
	}
	return t
}

func (p *parser) fail(t token, format string, args ...any) {
	panic(&SyntaxError{Line: t.line, Col: t.col, Msg: fmt.Sprintf(format, args...), Query: p.query})
}

func (p *parser) unexpected(t token, want string) {
	p.fail(t, "syntax error: unexpected %s, expecting %s", t, want)
}

// refuse is for what is LogQL, and not answered here.
func (p *parser) refuse(t token, what string) {
	p.fail(t, "%s is not supported by this archive", what)
}

// deeper bounds how deep the query goes.
func (p *parser) deeper(t token) {
	if p.depth++; p.depth > mostDepth {
		p.fail(t, "the query goes deeper than %d levels", mostDepth)
	}
}

// matchers reads {name="value", ...}.
func (p *parser) matchers() []Matcher {
	p.expect("{")
	var all []Matcher
	for !p.take("}") {
		if len(all) > 0 {
			p.expect(",")
			if p.take("}") {
				break
			}
		}
		all = append(all, p.matcher(p.expectKind(word, "the name of a label")))
	}
	return all
}

// matcher reads the operator and the value.
func (p *parser) matcher(name token) Matcher {
	op := p.next()
	switch Op(op.raw) {
	case Equal, NotEqual, Regexp, NotRegexp:
	default:
		p.unexpected(op, `"=", "!=", "=~" or "!~"`)
	}
	value := p.expectKind(text, "a text in quotes")
	if op.raw == "=~" || op.raw == "!~" {
		p.spend(value)
	}
	m, err := NewMatcher(name.raw, Op(op.raw), value.text)
	if err != nil {
		p.fail(value, "%v", err)
	}
	return m
}

// log reads a selector and its pipeline.
func (p *parser) log() *logQuery {
	open := p.peek()
	q := &logQuery{matchers: p.matchers()}
	if !narrow(q.matchers) {
		p.fail(open, "queries require at least one regexp or equality matcher that does not have an empty-compatible value. "+
			`For instance, app=~".*" does not meet this requirement, but app=~".+" will`)
	}
	q.stages = p.stages()
	return q
}

// rangeOf reads what counts lines: rate({...} | ... [5m] offset 1h).
func (p *parser) rangeOf(op token) *rangeQuery {
	p.expect("(")
	q := &rangeQuery{op: op.raw}
	p.logRange(q)
	if q.window == 0 {
		p.unexpected(p.peek(), `a range as "[5m]"`)
	}
	p.expect(")")
	if t := p.peek(); t.is("by") || t.is("without") {
		p.fail(t, "grouping not allowed for %s aggregation", op.raw)
	}
	return q
}

// logRange reads the lines and their range, which may stand before the pipeline or after it.
func (p *parser) logRange(q *rangeQuery) {
	open := p.peek()
	if p.take("(") {
		p.deeper(open)
		p.logRange(q)
		p.expect(")")
		p.depth--
	} else {
		q.log = p.log()
	}
	if q.window != 0 || !p.peek().is("[") {
		return
	}
	p.next()
	q.window = p.duration()
	p.expect("]")
	if p.take("offset") {
		minus := p.take("-")
		if q.offset = p.duration(); minus {
			q.offset = -q.offset
		}
	}
	if len(q.log.stages) == 0 && !open.is("(") {
		q.log.stages = p.stages()
	}
}

func (p *parser) duration() time.Duration {
	t := p.expectKind(length, `a duration as "5m"`)
	d, _ := parseLength(t.raw)
	if d <= 0 || d > mostLength {
		p.fail(t, "the duration has to be more than 0, and 20 years at most")
	}
	return d
}

// number reads a number, with a sign or without.
func (p *parser) number() float64 {
	factor := 1.0
	if p.take("-") {
		factor = -1
	} else {
		p.take("+")
	}
	t := p.expectKind(number, "a number")
	if math.IsInf(t.value, 0) {
		p.fail(t, "the number is too large")
	}
	return factor * t.value
}

// names reads (a, b).
func (p *parser) names() []string {
	p.expect("(")
	var all []string
	for !p.take(")") {
		if len(all) > 0 {
			p.expect(",")
		}
		all = append(all, p.expectKind(word, "the name of a label").raw)
	}
	return all
}

// list names alternatives in an error.
func list(words []string) string { return strings.Join(words, ", ") }
