package logql

import (
	"regexp"
	"slices"
)

// LineFilter is the line filters that stand before anything that changes a line. All of them have to hold. The zero
// value lets everything through.
type LineFilter struct {
	tests  []*lineTest
	search *lineTest // of which Find looks for the needles; nil: of none
}

// lineTest is one filter, as |= "a" or "b": one of its patterns has to match, or with not none of them.
type lineTest struct {
	not bool
	any []*pattern
}

// pattern is a text that a line has to contain, or a regular expression that has to match somewhere in it.
type pattern struct {
	re      *regexp.Regexp // nil: the needle is all there is to find
	needles []needle       // one of them is in every line that matches; none: nothing is known
}

func newLiteral(text string) *pattern { return &pattern{needles: []needle{newNeedle(text, false)}} }

func newPattern(expr string) (*pattern, error) {
	re, err := compile(expr)
	if err != nil {
		return nil, err
	}
	must := requiredOf(expr)
	p := &pattern{re: re, needles: must.needles()}
	if must.exact && len(p.needles) > 0 {
		p.re = nil
	}
	return p, nil
}

func (p *pattern) matches(line []byte) bool {
	if len(p.needles) > 0 && !p.found(line) {
		return false
	}
	return p.re == nil || p.re.Match(line)
}

func (p *pattern) found(line []byte) bool {
	for i := range p.needles {
		if p.needles[i].index(line) >= 0 {
			return true
		}
	}
	return false
}

func (t *lineTest) pass(line []byte) bool {
	for _, p := range t.any {
		if p.matches(line) {
			return !t.not
		}
	}
	return t.not
}

// always says that every line passes, as with |= "".
func (t *lineTest) always() bool {
	return !t.not && slices.ContainsFunc(t.any, func(p *pattern) bool { return p.re == nil && p.found(nil) })
}

// shortest is the length of the shortest needle of which one is in every line that passes; 0: nothing is known.
func (t *lineTest) shortest() int {
	if t.not {
		return 0
	}
	least := 0
	for _, p := range t.any {
		if len(p.needles) == 0 {
			return 0
		}
		for i := range p.needles {
			if n := len(p.needles[i].text); least == 0 || n < least {
				least = n
			}
			if least == 0 {
				return 0
			}
		}
	}
	return least
}

func newLineFilter(tests []*lineTest) LineFilter {
	f := LineFilter{tests: tests}
	best := 0
	for _, t := range tests {
		if n := t.shortest(); n > best { // the longest is the rarest, as a rule
			best, f.search = n, t
		}
	}
	return f
}

// Pass says whether a line holds. It allocates nothing.
func (f LineFilter) Pass(line []byte) bool {
	for _, t := range f.tests {
		if !t.pass(line) {
			return false
		}
	}
	return true
}

// Searches says whether Find is better than cutting every line.
func (f LineFilter) Searches() bool { return f.search != nil }

// Find gives the offset of some byte of the first line in text that may pass, -1 where none does: lines before it do
// not pass, it itself has to be asked with Pass. text is whole lines with newlines between them. Where nothing is known
// of the lines that pass, the offset is 0.
func (f LineFilter) Find(text []byte) int {
	if f.search == nil {
		if len(text) == 0 {
			return -1
		}
		return 0
	}
	if one := f.search.any; len(one) == 1 && len(one[0].needles) == 1 && !one[0].needles[0].fold {
		return one[0].needles[0].index(text)
	}
	return f.search.first(text)
}

// first looks for several needles in windows that grow, so that a rare one is not looked for in all of the text each
// time that a frequent one is found.
func (t *lineTest) first(text []byte) int {
	longest := 0
	for _, p := range t.any {
		for i := range p.needles {
			longest = max(longest, len(p.needles[i].text))
		}
	}
	from := 0
	for size := 512; from < len(text); size *= 2 {
		window := text[from:min(from+size+longest, len(text))]
		if at := t.firstIn(window); at >= 0 {
			return from + at
		}
		from += size
	}
	return -1
}

func (t *lineTest) firstIn(window []byte) int {
	least := -1
	for _, p := range t.any {
		for i := range p.needles {
			if at := p.needles[i].index(window); at >= 0 {
				least = at
				window = window[:min(at+len(p.needles[i].text), len(window))]
			}
		}
	}
	return least
}
