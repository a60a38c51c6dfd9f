package archive

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrKey means that no store is asked to take an object of such a key. It is an answer: another try would get the same.
var ErrKey = errors.New("not a key for an object")

// maxKey bounds a key in bytes, as S3 does. A store with a prefix of its own takes less.
const maxKey = 1024

// CheckKey refuses what a store might not take, might not list, or might take for another key.
func CheckKey(key Key) error {
	bad := func(why string) error { return fmt.Errorf("key %.100q: %s: %w", key, why, ErrKey) }
	switch {
	case len(key) > maxKey:
		return bad(fmt.Sprintf("%d bytes, must be at most %d", len(key), maxKey))
	case !utf8.ValidString(string(key)):
		return bad("not UTF-8")
	case strings.ContainsFunc(string(key), unicode.IsControl):
		return bad("has a control character")
	}
	for part := range strings.SplitSeq(string(key), "/") {
		if part == "" || part == "." || part == ".." {
			return bad("has a part that is no name")
		}
	}
	return nil
}
