package loki

import (
	"maps"
	"slices"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// streams calls f for each stream that a selector picks between the start and the end of a question: of lines, and of
// notes. It reads no text.
func (q *question) streams(a *api, matchers []logql.Matcher, f func(l *keptLog, stream *logql.Stream) error) error {
	start, end := q.span()
	q.ordered(start, end)
	if q.err != nil {
		return q.err
	}
	logs, err := a.catalogue.find(q.ctx, q.who, matchers, start.UnixNano(), end.UnixNano())
	if err != nil {
		return err
	}
	for _, l := range logs {
		for _, stream := range []*logql.Stream{l.stream, l.aside} {
			if !l.matches(matchers, stream) || stream == l.stream && l.lines == 0 && !l.open {
				continue // of what wrote nothing there is no line
			}
			if err := f(l, stream); err != nil {
				return err
			}
		}
	}
	return nil
}

// labels answers with the names of labels.
func (a *api) labels(q *question) error {
	names := map[string]bool{}
	err := q.streams(a, q.selector(q.text("query")), func(_ *keptLog, stream *logql.Stream) error {
		for _, l := range stream.Labels {
			names[l.Name] = true
		}
		return nil
	})
	return q.sorted(names, err)
}

// labelValues answers with the values of one label.
func (a *api) labelValues(q *question) error {
	values, name := map[string]bool{}, q.r.PathValue("name")
	err := q.streams(a, q.selector(q.text("query")), func(_ *keptLog, stream *logql.Stream) error {
		if value, ok := stream.Labels.Get(name); ok {
			values[value] = true
		}
		return nil
	})
	return q.sorted(values, err)
}

func (q *question) sorted(names map[string]bool, err error) error {
	if err != nil {
		return err
	}
	if len(names) == 0 { // as Loki: no data at all
		return answerJSON(q.w, map[string]string{"status": "success"})
	}
	return answerData(q.w, slices.Sorted(maps.Keys(names)))
}

// mostStreams bounds what series answers: a browser that is given more stands still.
const mostStreams = 20_000

// series answers with the labels of each stream.
func (a *api) series(q *question) error {
	selectors := slices.Concat(q.values["match[]"], q.values["match"])
	if len(selectors) == 0 {
		selectors = []string{"{}"}
	}
	found, list := map[string]bool{}, []map[string]string{}
	for _, text := range selectors {
		err := q.streams(a, q.selector(text), func(_ *keptLog, stream *logql.Stream) error {
			key := stream.Labels.String()
			if found[key] {
				return nil
			}
			found[key] = true
			const each = 600
			if list = append(list, stream.Labels.Map()); len(list) > mostStreams {
				return &logql.CeilingError{What: "streams", Most: mostStreams}
			}
			return reserve(q.ctx, each)
		})
		if err != nil {
			return err
		}
	}
	return answerData(q.w, list)
}

// detectedLabels answers with the labels that there are, and how many values each has.
func (a *api) detectedLabels(q *question) error {
	type detected struct {
		Label       string `json:"label"`
		Cardinality int    `json:"cardinality"`
	}
	values := map[string]map[string]bool{}
	err := q.streams(a, q.selected(), func(_ *keptLog, stream *logql.Stream) error {
		for _, l := range stream.Labels {
			if values[l.Name] == nil {
				values[l.Name] = map[string]bool{}
			}
			values[l.Name][l.Value] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	list := []detected{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, detected{name, len(values[name])})
	}
	return answerJSON(q.w, struct {
		List []detected `json:"detectedLabels"`
	}{list})
}
