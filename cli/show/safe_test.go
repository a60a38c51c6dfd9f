package show

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/epilogue-dev/epilogue/archive"
)

// hostile is what a stranger may write into every name: it sets the window's title, adds a line and a column, and turns
// the direction of writing.
const hostile = "x\x1b]0;title\x07\ny\tz\u009b\u202e"

// fill puts a text into every string of a value.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(2)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1e9, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text)
			}
		}
	}
}

// TestEveryFieldIsMadeSafe: whatever stands in any field of what is kept, tables and post-mortems show it as text.
func TestEveryFieldIsMadeSafe(t *testing.T) {
	now := time.Unix(2e9, 0)
	cols := Columns{Namespace: true, Wide: true, Now: now}
	job := func(text string) *archive.KeptJob {
		var j archive.KeptJob
		fill(reflect.ValueOf(&j).Elem(), text)
		return &j
	}
	pod := func(text string) *archive.Manifest {
		var m archive.Manifest
		fill(reflect.ValueOf(&m).Elem(), text)
		m.Pod.Annotations["epilogue.dev/ended"] = text
		return &m
	}
	for name, write := range map[string]func(out io.Writer, text string) error{
		"table of Jobs": func(out io.Writer, text string) error { return Jobs(out, []archive.KeptJob{*job(text)}, cols) },
		"table of pods": func(out io.Writer, text string) error { return Instances(out, []*archive.Manifest{pod(text)}, cols) },
		"Job":           func(out io.Writer, text string) error { return Job(out, job(text), now) },
		"pod":           func(out io.Writer, text string) error { return Pod(out, pod(text), true, now) },
		"any table": func(out io.Writer, text string) error {
			table := NewTable(out)
			table.Row(text, "a", text)
			return table.Flush()
		},
		"name": func(out io.Writer, text string) error {
			_, err := io.WriteString(out, Name(&archive.Instance{PodRef: archive.PodRef{Pod: text}, Container: text})+"\n")
			return err
		},
	} {
		var out, plain bytes.Buffer
		if err := write(&out, hostile); err != nil {
			t.Fatal(err)
		}
		if err := write(&plain, "harmless"); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || steersText(r)) }); i >= 0 {
			t.Errorf("%s: got a control character behind %q", name, out.String()[max(0, i-20):i])
		}
		if got, want := strings.Count(out.String(), "\n"), strings.Count(plain.String(), "\n"); got != want {
			t.Errorf("%s: got %d lines, want the %d of harmless text:\n%s", name, got, want, &out)
		}
	}
}

func TestSafeLines(t *testing.T) {
	if got, want := SafeLines("a\x1b]0;t\x07\nb\r"), "a^[]0;t^G\nb^M"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
