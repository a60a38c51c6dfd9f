package logql

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// jsonStage makes labels of a line that is a JSON object: | json, or of parts of it: | json a="b.c[0]".
type jsonStage struct{ paths []jsonPath }

// jsonPath says where a value stands.
type jsonPath struct {
	to, from string
	path     []jsonStep
}

// jsonStep is the key of a member, or the number of an element.
type jsonStep struct {
	key     string
	element int // -1: a key
}

func (s *jsonStage) run(e *working) bool {
	if err := s.extract(e); err != nil {
		e.failParse("JSONParserErr", err)
	}
	return true
}

func (s *jsonStage) extract(e *working) error {
	r := jsonReader{line: e.line, loose: len(s.paths) > 0}
	if len(s.paths) == 0 {
		return r.flatten(e, "", 0)
	}
	switch {
	case len(e.line) == 0:
		return nil
	case strings.IndexByte(`{["`, e.line[0]) < 0:
		return errNoStart
	}
	var bad error
	for i := range s.paths {
		r.at = 0
		value, ok, err := r.find(e, s.paths[i].path)
		if err != nil && !errors.Is(err, errLost) {
			bad = err
		}
		if !ok {
			e.blank(s.paths[i].to)
			continue
		}
		if err := e.extract(s.paths[i].to, value, true); err != nil {
			return err
		}
	}
	return bad
}

func (s *jsonStage) String() string {
	words := make([]string, len(s.paths))
	for i, p := range s.paths {
		words[i] = p.to + "=" + strconv.Quote(p.from)
	}
	return strings.TrimSpace("| json " + strings.Join(words, ", "))
}

// flatten makes a label of each value; those of an object in an object have both names. Arrays and null are left out.
func (r *jsonReader) flatten(e *working, prefix string, depth int) error {
	if depth > mostNested {
		return errDeep
	}
	return r.members(e, func(key string) error {
		name := e.labelName(prefix, key)
		switch r.peek() {
		case '{':
			return r.flatten(e, name, depth+1)
		case '[':
			_, err := r.skip()
			return err
		}
		value, k, err := r.value(e)
		if err != nil || k != jsonText && k != jsonPlain {
			return err
		}
		return e.extract(name, value, false)
	})
}

var (
	errFound = errors.New("found") // ends a search
	errLost  = errors.New("what stands before the value cannot be read")
)

// find gives the value at a path; null is empty. ok is false where there is none.
func (r *jsonReader) find(e *working, path []jsonStep) (value string, ok bool, err error) {
	if len(path) == 0 {
		value, k, err := r.value(e)
		if k == jsonNull || err != nil {
			value = ""
		}
		return value, err == nil, err
	}
	step, inside := path[0], error(nil)
	at := func(here bool) error {
		if here {
			value, ok, inside = r.find(e, path[1:])
			return errFound
		}
		_, _, err := r.value(e)
		return err
	}
	switch c := r.peek(); {
	case step.element < 0 && c == '{':
		err = r.members(e, func(key string) error { return at(key == step.key) })
	case step.element >= 0 && c == '[':
		err = r.elements(func(n int) error { return at(n == step.element) })
	}
	switch {
	case errors.Is(err, errFound):
		return value, ok, inside
	case err != nil:
		return "", false, errLost
	}
	return "", false, nil
}

// parsePath reads a.b[0]["c d"].
func parsePath(s string) ([]jsonStep, error) {
	var path []jsonStep
	bad := fmt.Errorf("cannot parse expression [%s]: only paths as a.b[0][\"c\"] are understood", s)
	for rest := s; rest != ""; {
		if rest[0] == '[' {
			step, n := parseElement(rest)
			if n == 0 {
				return nil, bad
			}
			path, rest = append(path, step), rest[n:]
			continue
		}
		if len(path) > 0 {
			if rest[0] != '.' {
				return nil, bad
			}
			rest = rest[1:]
		}
		n := prefix(rest, isWord)
		if !isName(rest[:n]) {
			return nil, bad
		}
		path, rest = append(path, jsonStep{key: rest[:n], element: -1}), rest[n:]
	}
	if len(path) == 0 || len(path) > mostNested {
		return nil, bad
	}
	return path, nil
}

// parseElement reads [0] or ["a"]; n is how much that is, 0: it is none.
func parseElement(s string) (step jsonStep, n int) {
	if quoted, err := strconv.QuotedPrefix(s[1:]); err == nil && quoted[0] == '"' {
		key, err := strconv.Unquote(quoted)
		if n = len(quoted) + 2; err != nil || len(s) < n || s[n-1] != ']' {
			return step, 0
		}
		return jsonStep{key: key, element: -1}, n
	}
	digits := prefix(s[1:], isDigit)
	element, err := strconv.Atoi(s[1 : 1+digits])
	if n = digits + 2; err != nil || len(s) < n || s[n-1] != ']' {
		return step, 0
	}
	return jsonStep{element: element}, n
}
