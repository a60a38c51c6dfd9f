package logql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// logfmtStage makes labels of the pairs of a line: | logfmt, or of some of them: | logfmt a="b".
type logfmtStage struct {
	strict    bool // a pair that cannot be read is an error; else it is left out
	keepEmpty bool // a pair without a value is a label too
	names     []rename
}

type rename struct{ to, from string }

func (s *logfmtStage) run(e *working) bool {
	err := s.extract(e)
	for _, n := range s.names {
		e.blank(n.to)
	}
	if err != nil {
		e.failParse("LogfmtParserErr", err)
	}
	return true
}

func (s *logfmtStage) extract(e *working) error {
	r := logfmtReader{line: e.line, named: len(s.names) > 0}
	for r.next(e) {
		if r.bad != nil && s.strict {
			return r.bad
		}
		if r.bad != nil || r.value == "" && !s.keepEmpty && len(s.names) == 0 {
			continue
		}
		if err := s.pair(e, r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

// pair makes a label of a pair, where it is asked for.
func (s *logfmtStage) pair(e *working, key, value string) error {
	if len(s.names) == 0 {
		return e.extract(e.labelName("", key), value, false)
	}
	if i := slices.IndexFunc(s.names, func(n rename) bool { return n.from == key }); i >= 0 {
		return e.extract(s.names[i].to, value, true)
	}
	return nil
}

func (s *logfmtStage) String() string {
	words := []string{"| logfmt"}
	if s.strict {
		words = append(words, "--strict")
	}
	if s.keepEmpty {
		words = append(words, "--keep-empty")
	}
	var names []string
	for _, n := range s.names {
		names = append(names, n.to+"="+strconv.Quote(n.from))
	}
	if len(names) > 0 {
		words = append(words, strings.Join(names, ", "))
	}
	return strings.Join(words, " ")
}

// logfmtReader reads key=value, key="a value" and key.
type logfmtReader struct {
	line       []byte
	named      bool // what is no text is no value; else it has spaces for what is none
	at         int
	key, value string
	bad        error // why the pair cannot be read; what follows it may be
}

func (r *logfmtReader) next(e *working) bool {
	r.key, r.value, r.bad = "", "", nil
	for r.at < len(r.line) && r.line[r.at] <= ' ' {
		r.at++
	}
	if r.at == len(r.line) {
		return false
	}
	from := r.at
	for r.at < len(r.line) && r.line[r.at] > ' ' && r.line[r.at] != '=' {
		if r.line[r.at] == '"' {
			return r.skip()
		}
		r.at++
	}
	if r.at == from {
		return r.skip()
	}
	r.key = e.valid(r.line[from:r.at])
	if r.at == len(r.line) || r.line[r.at] != '=' {
		return true
	}
	r.at++
	if r.at < len(r.line) && r.line[r.at] == '"' {
		return r.quoted(e)
	}
	from = r.at
	for r.at < len(r.line) && r.line[r.at] > ' ' {
		if c := r.line[r.at]; c == '=' || c == '"' {
			return r.skip()
		}
		r.at++
	}
	r.value = r.text(e, r.line[from:r.at])
	return true
}

func (r *logfmtReader) text(e *working, raw []byte) string {
	if r.named && !isText(raw) {
		return ""
	}
	return e.valid(raw)
}

// skip goes to the next white space: the pair is bad.
func (r *logfmtReader) skip() bool {
	r.bad = fmt.Errorf("logfmt syntax error at pos %d : unexpected '%c'", r.at+1, r.line[r.at])
	for r.at < len(r.line) && r.line[r.at] > ' ' {
		r.at++
	}
	return true
}

func (r *logfmtReader) quoted(e *working) bool {
	json := jsonReader{line: r.line, at: r.at}
	raw, escaped, err := json.text()
	if err != nil {
		r.bad = fmt.Errorf("logfmt syntax error at pos %d : unterminated quoted value", len(r.line)+1)
		r.at = len(r.line)
		return true
	}
	r.at = json.at
	if raw, err = e.unescaped(raw, escaped, true); err != nil {
		r.bad = fmt.Errorf("logfmt syntax error at pos %d : invalid quoted value", r.at+1)
	}
	r.value = r.text(e, raw)
	return true
}
