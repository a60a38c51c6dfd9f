package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Source is where the settings come from: the flags of one command, and through Load the environment and a file.
type Source struct {
	flags *pflag.FlagSet
	table []setting
}

// Bind declares every setting as a flag of fs. The flags take any text; Load checks it, so that all wrong values are
// told at once, whichever way they came in.
func Bind(fs *pflag.FlagSet) *Source { return bind(fs, settings()) }

func bind(fs *pflag.FlagSet, table []setting) *Source {
	for _, s := range table {
		f := fs.VarPF(&flagText{text: s.def, kind: s.kind}, s.name, "", s.help)
		if s.kind == "bool" || strings.HasPrefix(s.kind, auto) {
			f.NoOptDefVal = "true"
		}
	}
	return &Source{flags: fs, table: table}
}

// flagText is the value of one flag, not yet parsed.
type flagText struct {
	text, kind string
	given      bool
}

func (f *flagText) String() string { return f.text }
func (f *flagText) Type() string   { return f.kind }

// Set keeps the text. A list's flag may be repeated.
func (f *flagText) Set(text string) error {
	if f.given && f.kind == "list" {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}

// Load takes each setting from the strongest place that has it: flag, environment, file, default. It is called after
// the flags have been parsed; lookup is os.LookupEnv. A variable that is set but empty counts as not set, because
// charts write those. The error joins one line for every wrong value; the Config is of no use then.
func (s *Source) Load(lookup func(string) (string, bool)) (Config, error) {
	l := &loading{table: s.table, found: map[string]found{}, wrong: map[string]bool{}}
	return l.load(s.flags, lookup)
}

func (l *loading) load(flags *pflag.FlagSet, lookup func(string) (string, bool)) (Config, error) {
	l.readFlags(flags)
	l.readEnv(lookup)
	l.readFile()
	l.setAll()
	l.resolve()
	l.check()
	if len(l.faults) > 0 {
		return Config{}, errors.Join(l.faults...)
	}
	l.config.effective = l.effective()
	return l.config, nil
}

// loading is one run of Load.
type loading struct {
	table  []setting
	found  map[string]found // by setting; without an entry the default holds
	config Config
	// Settings that could not be, or are not to be, set; checks of several settings leave them out.
	wrong  map[string]bool
	faults []error
}

// found is one value as it came in.
type found struct {
	text   string
	from   origin
	native bool // written as YAML, not as text: positions in the text mean nothing to its author
}

// origin says where a value came from.
type origin struct {
	layer string // "flag", "environment", "file" or "default"
	name  string // the flag with its dashes, the variable, or the key
	file  string // path, for the layer "file"
}

// String names the value in an error: by the name under which it came in.
func (o origin) String() string {
	if o.layer == "file" {
		return fmt.Sprintf("%s in %s", o.name, o.file)
	}
	return o.name
}

func (l *loading) readFlags(fs *pflag.FlagSet) {
	for _, s := range l.table {
		if f := fs.Lookup(s.name); f.Changed {
			l.offer(s.name, found{text: f.Value.String(), from: origin{layer: "flag", name: "--" + s.name}})
		}
	}
}

func (l *loading) readEnv(lookup func(string) (string, bool)) {
	for _, s := range l.table {
		for _, name := range s.env() {
			if text, ok := lookup(name); ok && strings.TrimSpace(text) != "" {
				l.offer(s.name, found{text: text, from: origin{layer: "environment", name: name}})
			}
		}
	}
}

// offer keeps a value unless a stronger place had one: the places are read from strong to weak. Space around a value
// goes, because variables that come from files end in a newline.
func (l *loading) offer(name string, f found) {
	if _, taken := l.found[name]; !taken {
		f.text = strings.TrimSpace(f.text)
		l.found[name] = f
	}
}

// value returns the effective text of a setting and where it came from.
func (l *loading) value(s setting) found {
	if f, ok := l.found[s.name]; ok {
		return f
	}
	return found{text: s.def, from: origin{layer: "default", name: s.name}}
}

func (l *loading) setAll() {
	for _, s := range l.table {
		f := l.value(s)
		if l.wrong[s.name] || f.text == "" && s.def == "" {
			continue // not set: the field keeps its zero value, which its comment explains
		}
		if err := s.set(&l.config, f.text); err != nil {
			l.reject(s, f, err)
		}
	}
}

// reject keeps one line about a wrong value. Two settings may read the same variable: it is told once.
func (l *loading) reject(s setting, f found, err error) {
	l.wrong[s.name] = true
	err = told(err, f.native)
	if s.secret && f.text != "" { // a parser that repeats its text must not give it away
		err = errors.New(strings.ReplaceAll(err.Error(), f.text, masked))
	}
	fault := fmt.Errorf("%s: value %s: %w", f.from, s.shown(f.text), err)
	same := func(e error) bool { return e.Error() == fault.Error() }
	if !slices.ContainsFunc(l.faults, same) {
		l.faults = append(l.faults, fault)
	}
}

// find returns the setting of that name. Only names of the table are asked for.
func (l *loading) find(name string) setting {
	i := slices.IndexFunc(l.table, func(s setting) bool { return s.name == name })
	return l.table[i]
}
