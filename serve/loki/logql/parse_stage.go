package logql

import (
	"slices"
	"strings"
)

// refusedStages are stages of LogQL that are not answered here.
var refusedStages = []string{"unwrap", "regexp", "pattern", "unpack", "distinct"}

// stages reads a pipeline up to what does not belong to it.
func (p *parser) stages() (all []stage) {
	for {
		t := p.peek()
		switch {
		case t.kind != sign:
			return all
		case slices.Contains([]string{"|=", "|~", "!=", "!~"}, t.raw):
			all = append(all, p.lineFilter(p.next()))
		case t.raw == "|>" || t.raw == "!>":
			p.refuse(t, "the pattern filter "+t.raw)
		case t.raw == "|":
			p.next()
			all = append(all, p.stage())
		default:
			return all
		}
	}
}

func (p *parser) stage() stage {
	t := p.peek()
	switch {
	case t.kind == word && slices.ContainsFunc(refusedStages, t.is):
		p.refuse(t, "the stage "+t.raw)
	case p.take("json"):
		return p.json()
	case p.take("logfmt"):
		return p.logfmt()
	case p.take("line_format"):
		return &formatStage{p.template(p.expectKind(text, "a template in quotes"))}
	case p.take("label_format"):
		return p.labelFormat()
	case p.take("drop"), p.take("keep"):
		return p.drop(t.is("keep"))
	case p.take("decolorize"):
		return decolorizeStage{}
	}
	return &labelStage{p.labelFilter(0)}
}

// lineFilter reads |= "a" or "b".
func (p *parser) lineFilter(op token) *lineStage {
	s := &lineStage{op: op.raw, test: lineTest{not: op.raw[0] == '!'}}
	for {
		t := p.next()
		if t.is("ip") {
			p.refuse(t, "ip()")
		}
		if t.kind != text {
			p.unexpected(t, "a text in quotes")
		}
		s.values = append(s.values, t.text)
		if strings.HasSuffix(op.raw, "~") {
			p.spend(t)
			pattern, err := newPattern(t.text)
			if err != nil {
				p.fail(t, "%v", err)
			}
			s.test.any = append(s.test.any, pattern)
		} else {
			s.test.any = append(s.test.any, newLiteral(t.text))
		}
		if !p.take("or") {
			return s
		}
	}
}

// labelFilter reads comparisons. and is stronger than or. A comma, or nothing, is "and" too, but takes all that follows
// as its right side: a, b or c is a and (b or c).
func (p *parser) labelFilter(least int) labelTest {
	p.deeper(p.peek())
	defer func() { p.depth-- }()
	left := p.labelTerm()
	for {
		t := p.peek()
		switch {
		case t.is("or"), t.is("and"):
			joint := strings.ToLower(t.raw)
			if strength[joint] <= least {
				return left
			}
			p.next()
			left = &jointTest{joint: joint, left: left, right: p.labelFilter(strength[joint])}
		case t.is(","):
			p.next()
			left = &jointTest{joint: "and", left: left, right: p.labelFilter(0)}
		case t.kind == word, t.is("("):
			left = &jointTest{joint: "and", left: left, right: p.labelFilter(0)}
		default:
			return left
		}
	}
}

func (p *parser) labelTerm() labelTest {
	if p.take("(") {
		inner := p.labelFilter(0)
		p.expect(")")
		return inner
	}
	name := p.expectKind(word, "the name of a label, or a stage")
	op, value := p.peek(), p.tokens[min(p.at+1, len(p.tokens)-1)]
	if value.is("ip") {
		p.refuse(value, "ip()")
	}
	numeric := slices.Contains([]string{"==", ">", ">=", "<", "<="}, op.raw) || value.kind != text && (op.is("=") || op.is("!="))
	if op.kind != sign || !numeric {
		return &matchTest{p.matcher(name)}
	}
	p.next()
	return p.compareTest(name, op)
}

// compareTest reads the value.
func (p *parser) compareTest(name, op token) *compareTest {
	c := &compareTest{name: name.raw, op: op.raw}
	if c.op == "=" {
		c.op = "=="
	}
	minus := p.take("-")
	if !minus {
		p.take("+")
	}
	t := p.next()
	c.kind, c.number = t.kind, t.value
	switch t.kind {
	case number:
	case length:
		c.length, _ = parseLength(t.raw)
	case size:
		c.size, _ = parseSize(t.raw)
	default:
		p.unexpected(t, "a number, a duration or a number of bytes")
	}
	if minus {
		c.number, c.length, c.size = -c.number, -c.length, -c.size
	}
	return c
}

// json reads the expressions after json: a="b.c[0]", d.
func (p *parser) json() *jsonStage {
	s := &jsonStage{}
	for _, x := range p.expressions() {
		path, err := parsePath(x.from)
		if err != nil {
			p.fail(x.at, "%v", err)
		}
		s.paths = append(s.paths, jsonPath{to: x.to, from: x.from, path: path})
	}
	return s
}

func (p *parser) logfmt() *logfmtStage {
	s := &logfmtStage{}
	for p.peek().kind == option {
		switch t := p.next(); t.raw {
		case "--strict":
			s.strict = true
		case "--keep-empty":
			s.keepEmpty = true
		default:
			p.unexpected(t, "--strict or --keep-empty")
		}
	}
	for _, x := range p.expressions() {
		s.names = append(s.names, rename{to: x.to, from: x.from})
	}
	return s
}

// extraction is one of the expressions of json or logfmt.
type extraction struct {
	to, from string
	at       token
}

func (p *parser) expressions() []extraction {
	var all []extraction
	for p.peek().kind == word {
		name := p.next()
		x := extraction{to: name.raw, from: name.raw, at: name}
		if p.take("=") {
			x.at = p.expectKind(text, "a text in quotes")
			x.from = x.at.text
		}
		all = append(all, x)
		if !p.take(",") {
			break
		}
		if t := p.peek(); t.kind != word {
			p.unexpected(t, "the name of a label")
		}
	}
	return all
}

// labelFormat reads a=b, c="{{.d}}".
func (p *parser) labelFormat() *labelFormatStage {
	s := &labelFormatStage{}
	for {
		name := p.expectKind(word, "the name of a label")
		if isOurs(name.raw) {
			p.fail(name, "%s cannot be formatted", name.raw)
		}
		if slices.ContainsFunc(s.items, func(x labelFormat) bool { return x.to == name.raw }) {
			p.fail(name, "multiple label name '%s' not allowed in a single format operation", name.raw)
		}
		p.expect("=")
		item := labelFormat{to: name.raw}
		switch t := p.next(); t.kind {
		case word:
			item.from = t.raw
		case text:
			item.template = p.template(t)
		default:
			p.unexpected(t, "the name of a label or a template in quotes")
		}
		s.items = append(s.items, item)
		if !p.take(",") {
			return s
		}
	}
}

// drop reads the labels of drop and keep: a, b="c".
func (p *parser) drop(keep bool) *dropStage {
	s := &dropStage{keep: keep}
	for {
		name := p.expectKind(word, "the name of a label")
		item := dropItem{name: name.raw}
		if t := p.peek(); t.kind == sign && slices.Contains([]Op{Equal, NotEqual, Regexp, NotRegexp}, Op(t.raw)) {
			m := p.matcher(name)
			item.matcher = &m
		}
		s.items = append(s.items, item)
		if !p.take(",") {
			return s
		}
	}
}

// template reads text with {{.field}} in it.
func (p *parser) template(t token) template {
	pieces, bad, msg := parseTemplate(t.text)
	if msg != "" {
		if !strings.Contains(t.raw, `\`) { // else its place in the query is not that in the text
			for _, r := range "\"" + t.text[:bad] {
				t.col++
				if r == '\n' {
					t.line, t.col = t.line+1, 1
				}
			}
		}
		p.fail(t, "%s", msg)
	}
	return template{text: t.text, pieces: pieces}
}
