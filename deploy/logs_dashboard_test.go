package deploy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const logsDashboardFile = "chart/epilogue/files/logs.json"

var logsSource = object{"type": "loki", "uid": "${datasource}"}

// logsPanel is a panel of the dashboard "Logs of Jobs".
type logsPanel struct {
	title, kind, about string
	width, height      int
	expr, legend       string
	instant            bool
}

const (
	ofJobs = `{namespace=~"$namespace", job=~"$job"}`
	ofDay  = `{namespace=~"$namespace", job=~"$job", state="failed", epilogue=""}`
)

func logsPanels() []logsPanel {
	return []logsPanel{
		{"Jobs that failed", "bargauge", "Those that have lines in the time that is shown, by how many. Counted without reading them.", 12, 8,
			`topk(20, sum by (job) (count_over_time(` + ofDay + `[$__range])))`, "{{job}}", true},
		{"Text by verdict", "timeseries", "What is kept of the logs that were written then: complete, seamed, partial; open are those of Jobs that run.", 12, 8,
			`sum by (verdict) (bytes_over_time({namespace=~"$namespace", job=~"$job", epilogue=""}[$__auto]))`, "{{verdict}}", false},
		{"Lines by level", "timeseries", "", 24, 6, `sum by (detected_level) (count_over_time(` + ofJobs + ` |~ "$search" [$__auto]))`, "{{detected_level}}", false},
		{"Lines", "logs", "", 24, 16, ofJobs + ` |~ "$search"`, "", false},
		{"What could not be had", "logs", "Gaps, with their reasons, and containers that never started.", 24, 8, `{namespace=~"$namespace", job=~"$job", epilogue!=""}`, "", false},
	}
}

const gapsExpr = `{namespace=~"$namespace", job=~"$job", epilogue="gap"}`

func (p logsPanel) json(id, x, y int) object {
	kind := "range"
	if p.instant {
		kind = "instant"
	}
	options := object{}
	switch p.kind {
	case "logs":
		options = object{"showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "sortOrder": "Descending", "dedupStrategy": "none"}
	case "bargauge":
		options = object{"orientation": "horizontal", "displayMode": "basic", "reduceOptions": object{"calcs": []string{"lastNotNull"}, "values": false}}
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.about, "datasource": logsSource, "options": options,
		"gridPos":     object{"x": x, "y": y, "w": p.width, "h": p.height},
		"targets":     []object{{"datasource": logsSource, "refId": "A", "expr": p.expr, "legendFormat": p.legend, "queryType": kind}},
		"fieldConfig": object{"defaults": object{"unit": "short", "min": 0}, "overrides": []any{}},
	}
}

func logsDashboard() object {
	var panels []object
	x, y := 0, 0
	for _, p := range logsPanels() {
		panels = append(panels, p.json(len(panels)+1, x, y))
		if x += p.width; x == 24 {
			x, y = 0, y+p.height
		}
	}
	values := func(name, label, of, within string) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": logsSource, "refresh": 2, "includeAll": true, "allValue": ".+", "multi": true,
			"query": object{"type": 1, "label": of, "stream": within, "refId": name}, "current": object{"text": "All", "value": "$__all"},
		}
	}
	return object{
		"title": "Logs of Jobs", "uid": "epilogue-logs", "tags": []string{"epilogue"}, "schemaVersion": 39, "editable": true,
		"time": object{"from": "now-24h", "to": "now"}, "panels": panels,
		"annotations": object{"list": []object{{
			"name": "Gaps", "datasource": logsSource, "enable": true, "iconColor": "orange", "expr": gapsExpr, "titleFormat": "{{job}}/{{container}}",
			"target": object{"refId": "Gaps", "expr": gapsExpr, "queryType": "range"},
		}}},
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Data source", "type": "datasource", "query": "loki"},
			values("namespace", "Namespace", "namespace", ""), values("job", "Job", "job", `{namespace=~"$namespace"}`),
			{"name": "search", "label": "Search", "type": "textbox", "query": "", "current": object{"text": "", "value": ""}},
		}},
	}
}

// TestLogsDashboard writes the dashboard.
func TestLogsDashboard(t *testing.T) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(logsDashboard()); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, logsDashboardFile, text.Bytes())
}

// TestLogsDashboardIsUnderstood: the API understands each query that Grafana makes of the dashboard's.
func TestLogsDashboardIsUnderstood(t *testing.T) {
	grafana := strings.NewReplacer("$namespace", ".+", "$job", "a|b", "$search", "x", "$__auto", "1m", "$__range", "24h")
	queries := []string{gapsExpr}
	for _, p := range logsPanels() {
		queries = append(queries, p.expr)
	}
	for _, query := range queries {
		if _, err := logql.Parse(grafana.Replace(query)); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
