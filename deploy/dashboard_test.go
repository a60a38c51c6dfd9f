package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/golden"
)

const dashboardFile = "chart/epilogue/files/dashboard.json"

// panel is one of the dashboard's. of stands in its queries for the selection of the release.
type panel struct {
	title, kind, unit, about string
	width                    int
	queries                  []query
	bad                      float64 // of a stat: from here on it is red; 0: it never is
}

type query struct{ expr, legend string }

// row is a question, and the panels that answer it.
type row struct {
	title  string
	height int
	panels []panel
}

const (
	stat   = "stat"
	series = "timeseries"
)

// one query without a legend of its own.
func just(expr string) []query { return []query{{expr, ""}} }

func by(expr, legend string) []query { return []query{{expr, legend}} }

func quantiles(histogram string) (list []query) {
	for _, q := range []string{"0.5", "0.99"} {
		list = append(list, query{"histogram_quantile(" + q + ", sum by (le) (rate(" + histogram + "_bucket{of}[$__rate_interval])))", "p" + strings.TrimPrefix(q, "0.")})
	}
	list[0].legend = "median"
	return list
}

func rows() []row { return []row{lost(), atRisk(), behind(), stuck(), work(), cost()} }

func lost() row {
	counted := func(metric string) string { return "round(sum(increase(" + metric + "[$__range])))" }
	return row{"Is anything being lost?", 5, []panel{
		{"Logs lost", stat, "short", "Containers ran, and nothing of their logs could be had. Over the time that is shown.", 4, just(counted(`epilogue_logs_sealed_total{of, verdict="lost"}`)), 1},
		{"Gone before they were archived", stat, "short", "Jobs that the gate let go at its deadline, and pods that nobody saw.", 4,
			just(counted(`epilogue_gate_released_total{of, reason="deadline"}`) + " + " + counted("epilogue_pods_unseen_total{of}")), 1},
		{"Logs with gaps", stat, "short", "Their manifests say what is missing, or may be.", 3, just(counted(`epilogue_logs_sealed_total{of, verdict="partial"}`)), 1},
		{"Unproven seams", stat, "short", "Where one file of a sealed log ends and the next begins: nothing proves that all of the old one was served.", 3, just(counted(`epilogue_log_seams_total{of}`)), 0},
		{"Sealed logs by verdict", series, "short", "", 5, by("round(sum by (verdict) (increase(epilogue_logs_sealed_total{of}[$__rate_interval])))", "{{verdict}}"), 0},
		{"Gaps by reason", series, "short", "", 5, by("round(sum by (reason) (increase(epilogue_log_gaps_total{of}[$__rate_interval])))", "{{reason}}"), 0},
	}}
}

func atRisk() row {
	return row{"What is at risk?", 6, []panel{
		{"Oldest pod that is not archived", stat, "s", "Since its end.", 4, just("max(epilogue_oldest_unsealed_seconds{of})"), 1800},
		{"Object store", stat, "bool_yes_no", "Whether it answers every replica.", 4, just("min(epilogue_store_up{of})"), 0},
		{"Spool", series, "percentunit", "How full the local disks are. At 1 log streams close.", 4,
			by("epilogue_spool_used_bytes{of} / epilogue_spool_limit_bytes{of}", "{{pod}}"), 0},
		{"Journal lag", series, "s", "What the loss of a disk costs at most.", 4, by("epilogue_journal_lag_seconds{of}", "{{pod}}"), 0},
		{"Jobs that the gate holds", series, "short", "", 4, just("sum(epilogue_gate_held_jobs{of})"), 0},
		{"Time to the next deadline of the gate", series, "s", "Its deadline where it holds none.", 4,
			by("min(((epilogue_gate_next_deadline_timestamp_seconds{of} > 0) - time()) or epilogue_gate_deadline_seconds{of})", "time left"), 0},
	}}
}

func behind() row {
	return row{"How far behind is it?", 6, []panel{
		{"Archived within 5 minutes", stat, "percentunit", "The objective is 99.9 %. Over the time that is shown.", 4,
			just(`sum(increase(epilogue_seal_delay_seconds_bucket{of, le=~"300(\\.0)?"}[$__range])) / sum(increase(epilogue_seal_delay_seconds_count{of}[$__range]))`), 0},
		{"From a pod's end to its archive", series, "s", "", 5, quantiles("epilogue_seal_delay_seconds"), 0},
		{"Pods that wait for their archive", series, "short", "", 5, just("sum(epilogue_unsealed_pods{of})"), 0},
		{"Jobs that are due to be deleted", series, "short", "", 5, just("sum(epilogue_deletions_due_jobs{of})"), 0},
		{"From due to deleted", series, "s", "", 5, quantiles("epilogue_deletion_lag_seconds"), 0},
	}}
}

func stuck() row {
	return row{"What is stuck, and why?", 6, []panel{
		{"Pods that cannot start", series, "short", "", 4, by("sum by (reason) (epilogue_pods_stuck{of})", "{{reason}}"), 0},
		{"Deletions that were put off", series, "short", "", 4, by("round(sum by (reason) (increase(epilogue_deletions_blocked_total{of}[$__rate_interval])))", "{{reason}}"), 0},
		{"Failures of the store", series, "ops", "", 4, by("sum by (operation) (rate(objstore_bucket_operation_failures_total{of}[$__rate_interval]))", "{{operation}}"), 0},
		{"Silence of the watches", series, "s", "The API server says about every minute that nothing has changed.", 4,
			by("max by (resource) (time() - epilogue_watch_last_contact_timestamp_seconds{of})", "{{resource}}"), 0},
		{"Queues", series, "short", "", 4, by("sum by (name) (workqueue_depth{of})", "{{name}}"), 0},
		{"Launcher", series, "short", "", 4, []query{{"sum(epilogue_launch_queue_jobs{of})", "waiting"}, {"sum(epilogue_launched_running_jobs{of})", "running"}}, 0},
	}}
}

func work() row {
	return row{"What does it do?", 6, []panel{
		{"Open logs and streams", series, "short", "", 4, []query{{"sum(epilogue_open_logs{of})", "logs"}, {"sum(epilogue_log_streams_open{of})", "streams"}}, 0},
		{"Lines", series, "ops", "", 4, just("sum(rate(epilogue_log_lines_total{of}[$__rate_interval]))"), 0},
		{"Deletions", series, "short", "", 4, by("round(sum by (kind, reason) (increase(epilogue_deletions_total{of}[$__rate_interval])))", "{{kind}} {{reason}}"), 0},
		{"Requests to the API", series, "reqps", "", 4, by("sum by (code) (rate(epilogue_http_requests_total{of}[$__rate_interval]))", "{{code}}"), 0},
		{"Time of an answer", series, "s", "", 4, quantiles("epilogue_http_request_duration_seconds"), 0},
		{"Replicas", series, "short", "Those that run, and what they see of each other.", 4,
			[]query{{"count(epilogue_build_info{of})", "running"}, {"min(epilogue_replicas{of})", "seen"}}, 0},
	}}
}

func cost() row {
	return row{"What does it cost?", 6, []panel{
		{"Stored a day", stat, "bytes", "Of sealed logs, at the pace of the time that is shown.", 3, just("sum(rate(epilogue_sealed_stored_bytes_total{of}[$__range])) * 86400"), 0},
		{"Text per stored byte", stat, "short", "", 3, just("sum(increase(epilogue_sealed_text_bytes_total{of}[$__range])) / sum(increase(epilogue_sealed_stored_bytes_total{of}[$__range]))"), 0},
		{"Requests to the store", series, "ops", "Uploads and lists are the dear ones.", 4, by("sum by (operation) (rate(objstore_bucket_operations_total{of}[$__rate_interval]))", "{{operation}}"), 0},
		{"Journal", series, "Bps", "", 3, just("sum(rate(epilogue_journal_bytes_total{of}[$__rate_interval]))"), 0},
		{"Requests to the API server", series, "reqps", "", 4, by("sum by (code) (rate(rest_client_requests_total{of}[$__rate_interval]))", "{{code}}"), 0},
		{"Memory", series, "bytes", "", 4, by("process_resident_memory_bytes{of} and on (namespace, pod, instance) epilogue_build_info{of}", "{{pod}}"), 0},
		{"CPU", series, "cores", "", 3, by("rate(process_cpu_seconds_total{of}[$__rate_interval]) and on (namespace, pod, instance) epilogue_build_info{of}", "{{pod}}"), 0},
	}}
}

type object = map[string]any

var source = object{"type": "prometheus", "uid": "${datasource}"}

func (p panel) json(id, x, y, height int) object {
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"datasource": source, "refId": string(rune('A' + i)), "instant": p.kind == stat, "range": p.kind != stat,
			"expr": strings.ReplaceAll(q.expr, "{of", `{namespace=~"$namespace"`), "legendFormat": q.legend,
		})
	}
	steps := []object{{"color": "green", "value": nil}}
	if p.bad > 0 {
		steps = append(steps, object{"color": "red", "value": p.bad})
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.about, "datasource": source, "targets": targets,
		"gridPos":     object{"x": x, "y": y, "w": p.width, "h": height},
		"fieldConfig": object{"defaults": object{"unit": p.unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}}, "overrides": []any{}},
	}
}

func dashboard() object {
	var panels []object
	y := 0
	for _, r := range rows() {
		panels = append(panels, object{"id": len(panels) + 1, "type": "row", "title": r.title, "collapsed": false, "panels": []any{}, "gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		x := 0
		for _, p := range r.panels {
			panels = append(panels, p.json(len(panels)+1, x, y, r.height))
			x += p.width
		}
		y += r.height
	}
	return object{
		"title": "Epilogue", "uid": "epilogue", "tags": []string{"epilogue"}, "schemaVersion": 39, "editable": true, "graphTooltip": 1, "refresh": "30s",
		"time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
			{
				"name": "namespace", "label": "Namespace", "type": "query", "datasource": source, "refresh": 2, "includeAll": true, "allValue": ".*", "multi": true,
				"query": object{"query": "label_values(epilogue_build_info, namespace)", "refId": "namespace"}, "current": object{"text": "All", "value": "$__all"},
			},
		}},
	}
}

// TestDashboard writes the dashboard. integration asks a real Prometheus each of its questions.
func TestDashboard(t *testing.T) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(dashboard()); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, dashboardFile, text.Bytes())
}

// TestCountsAreWhole: Prometheus stretches an increase to the whole of its range, so that one event shows as 1.01 or
// 1.33. Rounded in the query it is one; the form of the panel would cut large numbers, too, and repeat the labels of an
// axis.
func TestCountsAreWhole(t *testing.T) {
	counts := 0
	for _, r := range rows() {
		for _, p := range r.panels {
			for _, q := range p.queries {
				ratio := strings.Contains(q.expr, ") / ")
				if !strings.Contains(q.expr, "increase(") || ratio {
					continue
				}
				counts++
				for part := range strings.SplitSeq(q.expr, " + ") {
					if !strings.HasPrefix(part, "round(") {
						t.Errorf("panel %q counts by %s, which is not rounded", p.title, part)
					}
				}
			}
		}
	}
	if counts < 7 {
		t.Errorf("%d panels count, want 7 at least", counts)
	}
}

// TestDashboardFits: the panels of a row stand side by side.
func TestDashboardFits(t *testing.T) {
	titles := map[string]bool{}
	for _, r := range rows() {
		width := 0
		for _, p := range r.panels {
			width += p.width
			if titles[p.title] {
				t.Errorf("there are two panels %q", p.title)
			}
			titles[p.title] = true
		}
		if width != 24 {
			t.Errorf("row %q is %d wide, want 24", r.title, width)
		}
	}
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows() {
		for _, p := range r.panels {
			for _, q := range p.queries {
				for _, name := range ours.FindAllString(q.expr, -1) {
					name = strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
					if !strings.Contains(string(page), "| `"+name+"` |") {
						t.Errorf("panel %q reads %s, which docs/metrics.md does not have", p.title, name)
					}
				}
			}
		}
	}
}
