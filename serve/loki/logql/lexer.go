package logql

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is what a token is.
type kind int

const (
	end kind = iota
	word
	text
	number
	length // a duration: 5m
	size   // bytes: 20KB
	sign
	option // --strict
)

// token is one word of a query.
type token struct {
	kind      kind
	raw       string  // as it stands in the query
	text      string  // of a text: its value
	value     float64 // of a number
	line, col int
}

// String names the token in an error.
func (t token) String() string {
	if t.kind == end {
		return "the end of the query"
	}
	return strconv.Quote(t.raw)
}

// is compares a sign, or a word in any case.
func (t token) is(raw string) bool {
	return t.kind == sign && t.raw == raw || t.kind == word && strings.EqualFold(t.raw, raw)
}

// lexer cuts a query into tokens.
type lexer struct {
	query     string
	at        int
	line, col int // of at
}

// signs, the longer ones first.
var signs = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "||",
	"{", "}", "(", ")", "[", "]", ",", "=", "|", ">", "<", "+", "-", "*", "/", "%", "^",
}

// tokens cuts the whole query; the last token is the end.
func tokens(query string) ([]token, error) {
	l := lexer{query: query, line: 1, col: 1}
	var all []token
	for {
		l.space()
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		if t.kind == end {
			return all, nil
		}
	}
}

// step goes over n bytes.
func (l *lexer) step(n int) {
	for _, r := range l.query[l.at : l.at+n] {
		l.col++
		if r == '\n' {
			l.line, l.col = l.line+1, 1
		}
	}
	l.at += n
}

// space goes over white space and comments.
func (l *lexer) space() {
	for l.at < len(l.query) {
		switch c := l.query[l.at]; c {
		case ' ', '\t', '\n', '\r':
			l.step(1)
		case '#':
			comment, _, _ := strings.Cut(l.query[l.at:], "\n")
			l.step(len(comment))
		default:
			return
		}
	}
}

func (l *lexer) fail(msg string) error {
	return &SyntaxError{Line: l.line, Col: l.col, Msg: msg, Query: l.query}
}

func (l *lexer) next() (token, error) {
	rest := l.query[l.at:]
	if rest == "" {
		return l.token(end, 0), nil
	}
	switch c := rest[0]; {
	case c == '"' || c == '`':
		return l.text()
	case isWord(c) && !isDigit(c):
		return l.token(word, prefix(rest, isWord)), nil
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number()
	case strings.HasPrefix(rest, "--") && len(rest) > 2 && isWord(rest[2]) && !isDigit(rest[2]):
		return l.token(option, 2+prefix(rest[2:], func(c byte) bool { return isWord(c) || c == '-' })), nil
	}
	for _, s := range signs {
		if strings.HasPrefix(rest, s) {
			return l.token(sign, len(s)), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, l.fail("syntax error: unexpected " + strconv.QuoteRune(r))
}

// token takes n bytes as one.
func (l *lexer) token(k kind, n int) token {
	t := token{kind: k, raw: l.query[l.at : l.at+n], line: l.line, col: l.col}
	l.step(n)
	return t
}

func (l *lexer) text() (token, error) {
	quote := l.query[l.at]
	for i := l.at + 1; i < len(l.query); i++ {
		switch c := l.query[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == '\n' && quote == '"':
			return token{}, l.fail("syntax error: the text has no closing quote on its line")
		case c == quote:
			return l.unquote(i + 1 - l.at)
		}
	}
	return token{}, l.fail("syntax error: the text has no closing quote")
}

func (l *lexer) unquote(n int) (token, error) {
	raw := l.query[l.at : l.at+n]
	value, err := strconv.Unquote(raw)
	if raw[0] == '`' { // a carriage return is part of it, other than in Go
		value, err = raw[1:n-1], nil
	}
	if err != nil {
		return token{}, l.fail("syntax error: the text " + raw + " has an escape that is not known")
	}
	t := l.token(text, n)
	t.text = value
	return t, nil
}

// number reads 1, 1.5, 1e3, 5m, 1h30m and 20KB.
func (l *lexer) number() (token, error) {
	rest := l.query[l.at:]
	n := prefix(rest, func(c byte) bool { return isDigit(c) || c == '.' })
	if e := prefixExponent(rest[n:]); e > 0 {
		n += e
	}
	n += prefix(rest[n:], func(c byte) bool { return isWord(c) || c == '.' || c >= utf8.RuneSelf })
	raw := rest[:n]
	if value, err := strconv.ParseFloat(raw, 64); err == nil && !strings.ContainsAny(raw, "xX_pP") {
		t := l.token(number, n)
		t.value = value
		return t, nil
	}
	if _, ok := parseLength(raw); ok {
		return l.token(length, n), nil
	}
	if _, ok := parseSize(raw); ok {
		return l.token(size, n), nil
	}
	return token{}, l.fail("syntax error: " + strconv.Quote(raw) + " is no number, no duration and no number of bytes")
}

// prefixExponent gives the length of e10, e-3; 0 where there is none.
func prefixExponent(s string) int {
	if s == "" || s[0]|0x20 != 'e' {
		return 0
	}
	n := 1
	if n < len(s) && (s[n] == '+' || s[n] == '-') {
		n++
	}
	digits := prefix(s[n:], isDigit)
	if digits == 0 || n+digits < len(s) && isWord(s[n+digits]) {
		return 0
	}
	return n + digits
}

// prefix gives how many bytes at the beginning are of a class.
func prefix(s string, class func(byte) bool) int {
	for i := range len(s) {
		if !class(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_'
}
