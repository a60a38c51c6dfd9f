package loki

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const (
	usualFields = 1000 // of an answer
	usualLook   = 1000 // lines that are looked at
	// mostValues bounds the values that are kept of one field: beyond them it has many.
	mostValues = 1000
)

// field is one field of lines: of their metadata, or found in their text.
type field struct {
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	Cardinality int      `json:"cardinality"`
	Parsers     []string `json:"parsers"` // null where it is metadata
	Path        []string `json:"jsonPath,omitempty"`

	values map[string]bool
}

// fields are those of some lines, by name.
type fields map[string]*field

func (f fields) add(name, value, parser string, path []string) {
	x := f[name]
	if x == nil {
		x = &field{Label: name, values: map[string]bool{}}
		f[name] = x
	}
	if len(x.values) < mostValues && value != "" {
		x.values[value] = true
	}
	if parser != "" && !slices.Contains(x.Parsers, parser) {
		x.Parsers = append(x.Parsers, parser)
	}
	if x.Path == nil {
		x.Path = path
	}
}

// list gives so many fields, those with most values first.
func (f fields) list(limit int) []*field {
	all := slices.Collect(maps.Values(f))
	for _, x := range all {
		x.Cardinality, x.Type = len(x.values), typeOf(x.values)
		slices.Sort(x.Parsers)
	}
	slices.SortFunc(all, func(a, b *field) int {
		return cmp.Or(cmp.Compare(b.Cardinality, a.Cardinality), strings.Compare(a.Label, b.Label))
	})
	return all[:min(len(all), limit)]
}

var sizes = regexp.MustCompile(`^\d+(\.\d+)?\s?([kKMGTP]i?)?B$`)

// typeOf gives the type that all values have.
func typeOf(values map[string]bool) string {
	for _, kind := range []struct {
		name string
		is   func(string) bool
	}{
		{"int", func(v string) bool { _, err := strconv.ParseInt(v, 10, 64); return err == nil }},
		{"float", func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err == nil }},
		{"boolean", func(v string) bool { return v == "true" || v == "false" }},
		{"duration", func(v string) bool { _, err := time.ParseDuration(v); return err == nil }},
		{"bytes", sizes.MatchString},
	} {
		fits := len(values) > 0
		for v := range values {
			fits = fits && kind.is(v)
		}
		if fits {
			return kind.name
		}
	}
	return "string"
}

// detect looks for fields in the newest lines that a query picks.
func (a *api) detect(q *question) (fields, error) {
	start, end := q.span()
	q.ordered(start, end)
	look := min(cmp.Or(q.number("line_limit", usualLook), usualLook), mostLines)
	text := cmp.Or(strings.TrimSpace(q.text("query")), "{}")
	if text == "{}" { // any stream
		text = `{` + labelNamespace + `=~".+"}`
	}
	query, err := logql.Parse(text)
	switch {
	case q.err != nil:
		return nil, q.err
	case err != nil:
		return nil, err
	case !logql.IsLog(query):
		return nil, bad("want a query for lines, which says where fields are looked for")
	}
	if query, err = logql.Parse(text + " | logfmt"); err != nil {
		return nil, err
	}
	if err := a.hold(q.ctx); err != nil {
		return nil, err
	}
	result, err := a.engine.Range(q.ctx, query, logql.Params{
		Start: start.UnixNano(), End: end.UnixNano(), Limit: look, Direction: logql.Backward, Step: time.Second, Categorize: true,
	}, q.source)
	if err != nil {
		return nil, err
	}
	found := fields{}
	streams, _ := result.(logql.Streams)
	for i := range streams {
		for n := range streams[i].Entries {
			found.take(&streams[i].Entries[n])
		}
	}
	return found, nil
}

// take takes in what one entry has.
func (f fields) take(e *logql.LogEntry) {
	for _, l := range e.Meta {
		f.add(l.Name, l.Value, "", nil)
	}
	if strings.HasPrefix(strings.TrimLeft(e.Line, " "), "{") {
		decoder := json.NewDecoder(strings.NewReader(e.Line))
		decoder.UseNumber()
		var object map[string]any
		if decoder.Decode(&object) == nil {
			f.json(object, nil)
			return
		}
	}
	for _, l := range e.Parsed {
		if !strings.HasPrefix(l.Name, "__") {
			f.add(l.Name, l.Value, "logfmt", nil)
		}
	}
}

func (f fields) json(object map[string]any, within []string) {
	const deepest = 16
	for name, value := range object {
		path := append(slices.Clone(within), name)
		switch v := value.(type) {
		case map[string]any:
			if len(path) < deepest {
				f.json(v, path)
			}
		case string:
			f.add(labelName(path), v, "json", path)
		case json.Number:
			f.add(labelName(path), v.String(), "json", path)
		case bool:
			f.add(labelName(path), strconv.FormatBool(v), "json", path)
		}
	}
}

// labelName is the name that the json stage gives a property.
func labelName(path []string) string {
	name := strings.Map(func(c rune) rune {
		if c == '_' || c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) {
			return c
		}
		return '_'
	}, strings.Join(path, "_"))
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}

// detectedFields answers with the fields of lines.
func (a *api) detectedFields(q *question) error {
	limit := cmp.Or(q.number("limit", usualFields), usualFields)
	found, err := a.detect(q)
	if err != nil {
		return err
	}
	return answerJSON(q.w, struct {
		Fields []*field `json:"fields"`
		Limit  int      `json:"limit"`
	}{found.list(limit), limit})
}

// detectedValues answers with the values of one field.
func (a *api) detectedValues(q *question) error {
	limit := cmp.Or(q.number("limit", usualFields), usualFields)
	found, err := a.detect(q)
	if err != nil {
		return err
	}
	values := []string{}
	if x := found[q.r.PathValue("name")]; x != nil {
		values = slices.Sorted(maps.Keys(x.values))
	}
	return answerJSON(q.w, struct {
		Limit  int      `json:"limit"`
		Values []string `json:"values"`
	}{limit, values[:min(len(values), limit)]})
}

// patterns answers that there are none: nothing looks for them.
func (a *api) patterns(q *question) error { return answerData(q.w, []string{}) }

// limits answers with what a query may ask for, as Logs Drilldown wants to know it.
func (a *api) limits(q *question) error {
	return answerJSON(q.w, map[string]any{
		"limits": map[string]any{
			"max_entries_limit_per_query": mostLines, "max_query_series": mostSeries, "query_timeout": a.cfg.Timeout.String(),
			"max_query_lookback": "0s", "max_query_length": "0s", "max_query_range": "0s", "retention_period": "0s",
			"volume_enabled": true, "discover_log_levels": true, "discover_service_name": []string{labelService}, "log_level_fields": levelNames,
		},
		"pattern_ingester_enabled": false, "version": a.cfg.Version, "maxDetectedFields": usualFields, "maxLinesForDetectedFields": usualLook,
	})
}

// buildInfo answers with what this is. The version is that of the Loki whose API it answers: clients choose by it what
// they may ask for.
func (a *api) buildInfo(q *question) error {
	return answerJSON(q.w, map[string]string{
		"version": likeLoki, "revision": a.cfg.Version, "branch": "epilogue", "buildUser": "", "buildDate": "", "goVersion": "",
	})
}

// likeLoki is the version of Loki that the answers are compared with.
const likeLoki = "3.7.8"
