package logql

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// required is what a text has to contain for a regular expression to match somewhere in it: one of some literals.
type required struct {
	any   []string // none: nothing is known
	fold  bool     // ASCII letters match in both cases
	exact bool     // a text that has one matches
}

// mostNeedles: beyond that a text is searched for too many things one after the other.
const mostNeedles = 16

func (r required) needles() []needle {
	var all []needle
	for _, text := range r.any {
		all = append(all, newNeedle(text, r.fold))
	}
	return all
}

// shortest is the length of the shortest literal.
func (r required) shortest() int {
	if len(r.any) == 0 {
		return 0
	}
	return len(slices.MinFunc(r.any, func(a, b string) int { return len(a) - len(b) }))
}

// requiredOf looks into an expression that compiles.
func requiredOf(expr string) required {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return required{}
	}
	parsed = parsed.Simplify()
	if mayBeEmpty(parsed) { // matches in any text
		return required{any: []string{""}, exact: true}
	}
	r := requiredIn(parsed)
	if len(r.any) > mostNeedles {
		return required{}
	}
	return r
}

func requiredIn(re *syntax.Regexp) required {
	switch re.Op {
	case syntax.OpLiteral:
		return requiredLiteral(re)
	case syntax.OpCapture, syntax.OpPlus:
		return requiredIn(re.Sub[0])
	case syntax.OpConcat:
		return requiredConcat(re.Sub)
	case syntax.OpAlternate:
		return requiredAlternate(re.Sub)
	}
	return required{}
}

// requiredLiteral leaves out what matches more than its own bytes: U+FFFD also any byte that is not UTF-8, and where
// case does not matter k and s the Kelvin sign and the long s, and letters beyond ASCII their own other case.
func requiredLiteral(re *syntax.Regexp) required {
	fold := re.Flags&syntax.FoldCase != 0
	text := string(re.Rune)
	odd := func(r rune) bool {
		return r == utf8.RuneError || fold && (r > unicode.MaxASCII || strings.ContainsRune("kKsS", r))
	}
	longest := ""
	for _, piece := range strings.FieldsFunc(text, odd) {
		if len(piece) > len(longest) {
			longest = piece
		}
	}
	if longest == "" {
		return required{}
	}
	return required{any: []string{longest}, fold: fold, exact: longest == text}
}

// requiredConcat takes the part with the longest literals. What may be empty at the ends does not matter to a match
// that is bound to no place.
func requiredConcat(subs []*syntax.Regexp) required {
	for len(subs) > 0 && mayBeEmpty(subs[0]) {
		subs = subs[1:]
	}
	for len(subs) > 0 && mayBeEmpty(subs[len(subs)-1]) {
		subs = subs[:len(subs)-1]
	}
	var best required
	for _, sub := range subs {
		if r := requiredIn(sub); r.shortest() > best.shortest() {
			best = r
		}
	}
	best.exact = best.exact && len(subs) == 1
	return best
}

func requiredAlternate(subs []*syntax.Regexp) required {
	all := required{exact: true}
	for i, sub := range subs {
		r := requiredIn(sub)
		if len(r.any) == 0 {
			return required{}
		}
		if i > 0 && r.fold != all.fold { // found in both cases is found too often, not too rarely
			all.exact, all.fold = false, true
		} else {
			all.fold = r.fold
		}
		all.exact = all.exact && r.exact
		all.any = append(all.any, r.any...)
	}
	return all
}

// mayBeEmpty says that the expression matches the empty text wherever it stands.
func mayBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return mayBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !mayBeEmpty(s) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, mayBeEmpty)
	}
	return false
}
