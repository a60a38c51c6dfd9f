package show

import (
	"unicode/utf8"
)

// clean makes text safe for a terminal. What a container wrote is a stranger's text: it could move the cursor over what
// was shown before, set the window's title, or make the terminal type an answer into the shell. Colours (SGR sequences,
// ESC [ … m) pass where they are wanted; a tab passes; every other control character is shown in caret notation, as ^M
// or ^[, and those of C1 as \u009b; bytes that are no UTF-8 are shown as \xff. Nothing is left out but unwanted
// colours.
//
// colored says that the text has a colour in it, which should be ended behind it.
func clean(dst, text []byte, colors bool) (_ []byte, colored bool) {
	for len(text) > 0 {
		if n := sgr(text); n > 0 {
			if colors {
				dst, colored = append(dst, text[:n]...), true
			}
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		dst = appendVisible(dst, r, text[:n])
		text = text[n:]
	}
	return dst, colored
}

func appendVisible(dst []byte, r rune, raw []byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return append(dst, '\\', 'x', hex[raw[0]>>4], hex[raw[0]&15])
	case r == '\t', r >= ' ' && r < 0x7f, r >= 0xa0 && !steersText(r):
		return append(dst, raw...)
	case r < ' ':
		return append(dst, '^', byte(r)+'@')
	case r == 0x7f:
		return append(dst, '^', '?')
	default:
		return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
}

// steersText: marks that turn the direction of writing, by which a line can be made to read as another one.
func steersText(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// sgr returns the length of the colour sequence that text begins with, 0 where it begins with none.
func sgr(text []byte) int {
	const longest = 64
	if len(text) < 3 || text[0] != 0x1b || text[1] != '[' {
		return 0
	}
	for n := 2; n < len(text) && n < longest; n++ {
		switch c := text[n]; {
		case c == 'm':
			return n + 1
		case c >= '0' && c <= '9', c == ';', c == ':':
		default:
			return 0
		}
	}
	return 0
}
