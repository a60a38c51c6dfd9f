package logql

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape gives the text of a JSON string.
func (e *working) unescape(raw []byte, escaped bool) (string, error) {
	raw, err := e.unescaped(raw, escaped, false)
	return e.valid(raw), err
}

// unescaped may give what is no UTF-8. With halves one half of a pair of surrogates is U+FFFD, else an error.
func (e *working) unescaped(raw []byte, escaped, halves bool) ([]byte, error) {
	if !escaped {
		return raw, nil
	}
	from := len(e.room)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			e.room = append(e.room, c)
			continue
		}
		if i++; i == len(raw) {
			return nil, errEscape
		}
		if raw[i] == 'u' {
			r, n := unicodeEscape(raw[i:])
			if n == 0 || r == utf8.RuneError && !halves {
				return nil, errEscape
			}
			e.room = utf8.AppendRune(e.room, r)
			i += n - 1
			continue
		}
		plain, ok := escapes[raw[i]]
		if !ok {
			return nil, errEscape
		}
		e.room = append(e.room, plain)
	}
	return e.room[from:], nil
}

var escapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// unicodeEscape reads u12ab, and the second half of a pair; n is how much of raw that is, 0: it is none. One half alone
// is U+FFFD.
func unicodeEscape(raw []byte) (r rune, n int) {
	hex := func(b []byte) (rune, bool) {
		if len(b) < 5 || b[0] != 'u' {
			return 0, false
		}
		v, err := strconv.ParseUint(string(b[1:5]), 16, 16)
		return rune(v), err == nil
	}
	r, ok := hex(raw)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 5
	}
	if len(raw) > 6 && raw[5] == '\\' {
		low, _ := hex(raw[6:])
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, 11
		}
	}
	return utf8.RuneError, 5
}

// valid has a space for each byte that is no UTF-8: labels are text.
func (e *working) valid(raw []byte) string {
	if isText(raw) {
		return view(raw)
	}
	text := string(raw)
	from := len(e.room)
	for _, r := range text {
		if r == utf8.RuneError {
			r = ' '
		}
		e.room = utf8.AppendRune(e.room, r)
	}
	return view(e.room[from:])
}

// isText says that there is nothing in raw that is no UTF-8, or stands for such.
func isText(raw []byte) bool {
	return utf8.Valid(raw) && (bytes.IndexByte(raw, 0xEF) < 0 || !bytes.ContainsRune(raw, utf8.RuneError))
}
