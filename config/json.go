package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	kjson "sigs.k8s.io/json"
)

// jsonFault is what is wrong inside a JSON value: where, and what would be right there.
type jsonFault struct {
	line, column int    // from 1; column counts bytes
	path         string // such as rules[0].action; "" for the whole value
	want         string
}

func (f *jsonFault) Error() string {
	return fmt.Sprintf("line %d column %d: %s", f.line, f.column, f.withoutPosition())
}

// withoutPosition is for values that came as YAML: their JSON text is ours, not the author's.
func (f *jsonFault) withoutPosition() string {
	if f.path == "" {
		return f.want
	}
	return f.path + ": " + f.want
}

// told returns err without a position where the value was not written as JSON text.
func told(err error, native bool) error {
	var f *jsonFault
	if native && errors.As(err, &f) {
		return errors.New(f.withoutPosition())
	}
	return err
}

// jsonValue is a JSON setting under check.
type jsonValue struct {
	text    string
	open    byte   // '{' or '['
	example string // what a right value looks like
}

// decode reads the value into v, as strictly as the API server: case counts, unknown and doubled keys are wrong.
func (j jsonValue) decode(v any) error {
	if !json.Valid([]byte(j.text)) {
		return j.syntax()
	}
	if j.text[0] != j.open { // space around the value is gone already
		return j.shape()
	}
	strict, err := kjson.UnmarshalStrict([]byte(j.text), v)
	if err != nil {
		return j.mistyped(err)
	}
	if len(strict) > 0 {
		return j.strictly(strict[0], v)
	}
	return nil
}

// syntax explains why the text is not JSON, by what people do write.
func (j jsonValue) syntax() error {
	var syntax *json.SyntaxError
	var ignored any
	if err := json.Unmarshal([]byte(j.text), &ignored); !errors.As(err, &syntax) {
		return j.at(0, "", "want JSON such as "+j.example)
	}
	if strings.HasPrefix(syntax.Error(), "unexpected end") {
		return j.at(len(j.text), "", "the text ends too early; close what is open, or quote the whole value, as in "+j.example)
	}
	offset := max(int(syntax.Offset)-1, 0)
	before := strings.TrimRight(j.text[:offset], " \t\r\n")
	want := fmt.Sprintf("%s; want JSON such as %s", oneLine(syntax.Error()), j.example)
	switch c := j.text[offset]; {
	case c == '\'':
		want = "want double quotes (\") instead of single ones, as in " + j.example
	case (c == '}' || c == ']') && strings.HasSuffix(before, ","):
		want = "remove the comma before " + string(c)
	case c == 'T' || c == 'F' || c == 'N':
		want = "want true, false or null in lower case"
	case isLetter(c) && (strings.HasSuffix(before, "{") || strings.HasSuffix(before, ",")):
		want = "want keys in double quotes, as in " + j.example
	}
	return j.at(offset, "", want)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// shape explains a value that is JSON of the wrong kind.
func (j jsonValue) shape() error {
	want := "want a JSON object such as "
	if j.open == '[' {
		want = "want a JSON array such as "
	}
	return j.at(0, "", want+j.example)
}

// mistyped explains a value of the wrong type somewhere inside.
func (j jsonValue) mistyped(err error) error {
	var typed *json.UnmarshalTypeError
	if !errors.As(err, &typed) {
		return j.at(0, "", oneLine(err.Error())+"; want JSON such as "+j.example)
	}
	want := fmt.Sprintf("want %s, found %s", typeWord(typed.Type), strings.Fields(typed.Value)[0])
	// The error's own field leaves out indexes and map keys.
	path, start := innermost([]byte(j.text), int(typed.Offset)-1)
	return j.at(start, path, want)
}

// typeWord says in JSON's words what a Go type takes.
func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text in double quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Pointer:
		return typeWord(t.Elem())
	default:
		return "a whole number that fits " + t.Kind().String()
	}
}

// strictly explains an unknown or doubled key.
func (j jsonValue) strictly(err error, v any) error {
	parts := regexp.MustCompile(`^(\w+) field "(.*)"$`).FindStringSubmatch(err.Error())
	if parts == nil {
		return j.at(0, "", oneLine(err.Error()))
	}
	path := parts[2]
	if parts[1] == "duplicate" {
		return j.wrong(path, "this key stands twice; remove one")
	}
	known := fieldNames(reflect.TypeOf(v))
	if near := nearest(path[strings.LastIndexByte(path, '.')+1:], known); near != "" {
		return j.wrong(path, fmt.Sprintf("no such key; did you mean %q?", near))
	}
	return j.wrong(path, "no such key; want JSON such as "+j.example)
}

// fieldNames returns the JSON keys of a type and of everything in it.
func fieldNames(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return fieldNames(t.Elem())
	case reflect.Struct:
		var names []string
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(append(names, name), fieldNames(f.Type)...)
		}
		return names
	default:
		return nil
	}
}

// wrong makes a fault of the value at path and finds its position.
func (j jsonValue) wrong(path, want string) error {
	return j.at(locate([]byte(j.text), path), path, want)
}

func (j jsonValue) at(offset int, path, want string) error {
	before := j.text[:min(offset, len(j.text))]
	return &jsonFault{
		line:   1 + strings.Count(before, "\n"),
		column: len(before) - strings.LastIndexByte(before, '\n'),
		path:   path,
		want:   want,
	}
}

// locate returns the offset at which the value of a path stands in valid JSON, 0 if it is not there.
func locate(text []byte, path string) int {
	offset := 0
	walk(text, func(p string, start int) bool {
		if p == path {
			offset = start
		}
		return p != path
	})
	return offset
}

// innermost returns the path and the start of the last value that begins at or before offset.
func innermost(text []byte, offset int) (path string, start int) {
	walk(text, func(p string, at int) bool {
		if at <= offset {
			path, start = p, at
		}
		return at <= offset
	})
	return path, start
}

// walk visits each value of valid JSON in the order of the text, outer ones first, until visit says no.
func walk(text []byte, visit func(path string, start int) bool) {
	w := &walker{text: text, dec: json.NewDecoder(bytes.NewReader(text)), visit: visit}
	w.value("")
}

type walker struct {
	text  []byte
	dec   *json.Decoder
	visit func(path string, start int) bool
	done  bool
}

// value reads one value and all that is in it. An error cannot happen in valid JSON; if it does the walk just ends.
func (w *walker) value(path string) {
	start := int(w.dec.InputOffset())
	start += len(w.text[start:]) - len(bytes.TrimLeft(w.text[start:], " \t\r\n:,"))
	token, err := w.dec.Token()
	w.done = w.done || err != nil || !w.visit(path, start)
	if token != json.Delim('{') && token != json.Delim('[') {
		return
	}
	for i := 0; !w.done && w.dec.More(); i++ {
		if token == json.Delim('[') {
			w.value(fmt.Sprintf("%s[%d]", path, i))
			continue
		}
		key, _ := w.dec.Token()
		w.value(strings.TrimPrefix(fmt.Sprintf("%s.%s", path, key), "."))
	}
	if !w.done {
		_, _ = w.dec.Token() // the closing bracket
	}
}
