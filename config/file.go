package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// readFile offers what the configuration file says. It comes after flags and environment, which name the file.
func (l *loading) readFile() {
	f, ok := l.found["config"]
	if !ok || f.text == "" {
		return
	}
	raw, err := os.ReadFile(f.text)
	if err != nil {
		l.wrong["config"] = true
		l.faults = append(l.faults, fmt.Errorf("%s: value %s: want a file that can be read: %w", f.from, quoted(f.text), err))
		return
	}
	keys, err := parseFile(raw)
	if err != nil {
		l.wrong["config"] = true
		l.faults = append(l.faults, fmt.Errorf("%s: file %s: %w", f.from, quoted(f.text), err))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		l.offerKey(f.text, key, keys[key])
	}
}

// parseFile returns the keys of a YAML document and their values as JSON.
func parseFile(raw []byte) (map[string]json.RawMessage, error) {
	text, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return nil, fmt.Errorf("want YAML: %s", oneLine(err.Error()))
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("want YAML of the form \"key: value\", such as \"namespace: zenml-workload-manager\"")
	}
	return keys, nil
}

// offerKey offers one value of the file. A key with nothing behind it counts as not set.
func (l *loading) offerKey(file, key string, raw json.RawMessage) {
	from := origin{layer: "file", name: key, file: file}
	i := slices.IndexFunc(l.table, func(s setting) bool { return s.name == key })
	switch {
	case i < 0:
		l.faults = append(l.faults, l.unknownKey(from))
	case key == "config":
		l.faults = append(l.faults, fmt.Errorf("%s: a file cannot name another one; give --config or %s", from, ourEnv(key)))
	case string(raw) == "null":
	default:
		text, native, err := plainText(l.table[i], raw)
		f := found{text: text, from: from, native: native}
		if err != nil {
			f.text = string(raw)
			l.reject(l.table[i], f, err)
			return
		}
		l.offer(key, f)
	}
}

// unknownKey names the setting that was probably meant.
func (l *loading) unknownKey(from origin) error {
	var names []string
	for _, s := range l.table {
		names = append(names, s.name)
	}
	if near := nearest(from.name, names); near != "" {
		return fmt.Errorf("%s: no such setting; did you mean %q?", from, near)
	}
	return fmt.Errorf("%s: no such setting; \"epilogue config\" lists them", from)
}

// plainText turns a value of the file into the text that a flag would hold. JSON settings may be written as YAML; then,
// and for lists, native is true.
func plainText(s setting, raw json.RawMessage) (text string, native bool, err error) {
	switch raw[0] {
	case '"':
		err = json.Unmarshal(raw, &text)
		return text, false, err
	case '[', '{':
		return nested(s, raw)
	default: // a number or a boolean
		return string(raw), false, nil
	}
}

func nested(s setting, raw json.RawMessage) (string, bool, error) {
	if s.kind == "json" {
		return string(raw), true, nil
	}
	var items []string
	if s.kind != "list" || json.Unmarshal(raw, &items) != nil {
		want := "one value"
		if s.kind == "list" {
			want = "a list of texts"
		}
		return "", true, fmt.Errorf("want %s", want)
	}
	return strings.Join(items, ","), true, nil
}
