package logql

import "bytes"

// lokiWords is an error of a line that is no JSON, as users of Loki know it from __error_details__.
type lokiWords string

func (w lokiWords) Error() string { return string(w) }

const (
	errNoObject = lokiWords("Value looks like object, but can't find closing '}' symbol")
	errNoArray  = lokiWords("Value is array, but can't find closing ']' symbol")
	errNoString = lokiWords("Value is string, but can't find closing '\"' symbol")
	errNoColon  = lokiWords("Malformed JSON error")
	errNoValue  = lokiWords("Unknown value type")
	errEscape   = lokiWords("Encountered an invalid escape sequence in a string")
	errDeep     = lokiWords("The object goes deeper than the archive reads")
	errNoStart  = lokiWords("") // Loki has none
)

// mostNested bounds how deep an object is read.
const mostNested = 64

// jsonReader reads one line. It is as forgiving as Loki's: what stands behind the object does not matter.
type jsonReader struct {
	line  []byte
	at    int
	loose bool // what stands between two members where a comma should does not matter either
}

// jsonKind is what a value is.
type jsonKind byte

const (
	jsonText   jsonKind = '"'
	jsonObject jsonKind = '{'
	jsonArray  jsonKind = '['
	jsonPlain  jsonKind = '1' // a number, true, false
	jsonNull   jsonKind = 'n'
)

// peek gives the next byte that is no white space; 0: none.
func (r *jsonReader) peek() byte {
	for r.at < len(r.line) {
		switch c := r.line[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// take goes over a byte, where it is the next one.
func (r *jsonReader) take(c byte) bool {
	if r.peek() == c {
		r.at++
		return true
	}
	return false
}

// text reads a string, and gives what stands between the quotes.
func (r *jsonReader) text() (raw []byte, escaped bool, err error) {
	if !r.take('"') {
		return nil, false, errNoString
	}
	for i := r.at; i < len(r.line); i++ {
		switch r.line[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			raw, r.at = r.line[r.at:i], i+1
			return raw, escaped, nil
		}
	}
	return nil, false, errNoString
}

// plain reads a number or a word.
func (r *jsonReader) plain() (raw []byte, k jsonKind, err error) {
	from := r.at
	for r.at < len(r.line) && !endsPlain(r.line[r.at]) {
		r.at++
	}
	raw = r.line[from:r.at]
	switch view(raw) {
	case "true", "false":
		return raw, jsonPlain, nil
	case "null":
		return raw, jsonNull, nil
	}
	if len(raw) == 0 || raw[0] != '-' && !isDigit(raw[0]) {
		return nil, 0, errNoValue
	}
	return raw, jsonPlain, nil
}

func endsPlain(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', ',', '}', ']':
		return true
	}
	return false
}

// skip goes over an object or an array, and gives it.
func (r *jsonReader) skip() ([]byte, error) {
	from, depth, none := r.at, 0, errNoObject
	if r.line[r.at] == '[' {
		none = errNoArray
	}
	for r.at < len(r.line) {
		switch r.line[r.at] {
		case '"':
			if _, _, err := r.text(); err != nil {
				return nil, err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		r.at++
		if depth == 0 {
			return r.line[from:r.at], nil
		}
	}
	return nil, none
}

// value reads any value. Of an object or an array it gives the text.
func (r *jsonReader) value(e *working) (string, jsonKind, error) {
	switch c := r.peek(); c {
	case '"':
		raw, escaped, err := r.text()
		if err != nil {
			return "", 0, err
		}
		s, err := e.unescape(raw, escaped)
		if err != nil { // its words are in the line still
			s = ""
		}
		return s, jsonText, nil
	case '{', '[':
		raw, err := r.skip()
		return e.valid(raw), jsonKind(c), err
	}
	raw, k, err := r.plain()
	return e.valid(raw), k, err
}

// members calls back for each member of an object, at its value. A comma may stand behind the last one.
func (r *jsonReader) members(e *working, each func(key string) error) error {
	if !r.take('{') {
		return errNoObject
	}
	for !r.take('}') {
		raw, escaped, err := r.text()
		if err != nil {
			return errNoObject
		}
		key, err := e.unescape(raw, escaped)
		if err != nil {
			return err
		}
		if !r.take(':') {
			return errNoColon
		}
		if err := each(key); err != nil {
			return err
		}
		switch r.peek() {
		case ',':
			r.at++
		case '}':
		case 0:
			return errNoArray
		default:
			if !r.loose {
				return errNoObject
			}
			r.toMember()
		}
	}
	return nil
}

// toMember goes to what may be the next member, or the end of the object.
func (r *jsonReader) toMember() {
	if n := bytes.IndexAny(r.line[r.at:], `"}`); n >= 0 {
		r.at += n
	} else {
		r.at = len(r.line)
	}
}

// elements calls back for each element of an array, at its value.
func (r *jsonReader) elements(each func(n int) error) error {
	if !r.take('[') {
		return errNoArray
	}
	if r.take(']') {
		return nil
	}
	for n := 0; ; n++ {
		if err := each(n); err != nil {
			return err
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return errNoArray
		}
	}
}
