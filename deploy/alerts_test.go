package deploy

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const alertsFile = "chart/epilogue/files/alerts.yaml"

// rule is one of Prometheus' rules.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// rules returns all rules of the chart, and those of them that are alerts.
func rules(t *testing.T) (all, alerts []rule) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	readYAML(t, alertsFile, &file)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all = append(all, r)
			if r.Alert != "" {
				alerts = append(alerts, r)
			}
		}
	}
	if len(alerts) < 10 {
		t.Fatalf("got %d alerts, want them all", len(alerts))
	}
	return all, alerts
}

// TestRunbooks: each alert leads to a page of its own, and no page is left of an alert that is gone.
func TestRunbooks(t *testing.T) {
	index, err := os.ReadFile("../docs/runbooks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{"README.md": true}
	_, alerts := rules(t)
	for _, a := range alerts {
		pages[a.Alert+".md"] = true
		if want := "https://github.com/epilogue-dev/epilogue/blob/main/docs/runbooks/" + a.Alert + ".md"; a.Annotations["runbook_url"] != want {
			t.Errorf("%s: got runbook_url %q, want %q", a.Alert, a.Annotations["runbook_url"], want)
		}
		if !slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s: got severity %q, want critical or warning", a.Alert, a.Labels["severity"])
		}
		row := fmt.Sprintf("| [%s](%s.md) | %s | %s |\n", a.Alert, a.Alert, a.Labels["severity"], a.Annotations["summary"])
		if !strings.Contains(string(index), row) {
			t.Errorf("docs/runbooks/README.md does not have the row %s", row)
		}
		page, err := os.ReadFile("../docs/runbooks/" + a.Alert + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{"# " + a.Alert + "\n\n*" + a.Labels["severity"] + "* · " + a.Annotations["summary"], "\n## Check\n", "\n## Act\n"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("the page of %s does not have %q", a.Alert, want)
			}
		}
	}
	files, err := os.ReadDir("../docs/runbooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f.Name()] {
			t.Errorf("docs/runbooks/%s belongs to no alert", f.Name())
		}
	}
}

var ours = regexp.MustCompile(`\b(epilogue|objstore_bucket|workqueue|rest_client)_[a-z_]+`)

// TestAlertsReadWhatThereIs: a name that no metric has never fires.
func TestAlertsReadWhatThereIs(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.SplitSeq(string(page), "\n") {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` | "); ok {
			known[name] = true
		}
	}
	texts := map[string]string{}
	all, _ := rules(t)
	for _, r := range all {
		texts[r.Alert+r.Record] = r.Expr
	}
	files, err := os.ReadDir("../docs/runbooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile("../docs/runbooks/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[f.Name()] = string(text)
	}
	for where, text := range texts {
		for _, name := range ours.FindAllString(text, -1) {
			base := name
			for _, ending := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, ending)
			}
			if !known[name] && !known[base] {
				t.Errorf("%s reads %s, which docs/metrics.md does not have", where, name)
			}
		}
	}
}

// TestAlertsAreTested: promtool's files have for each alert a case in which it fires and one in which it does not.
func TestAlertsAreTested(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, path := range []string{"alerts.test.yaml", "alerts.days.test.yaml"} {
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, path, &file)
		for _, test := range file.Tests {
			for _, a := range test.AlertRuleTest {
				if len(a.ExpAlerts) > 0 {
					fires[a.Alertname] = true
				} else {
					quiet[a.Alertname] = true
				}
			}
		}
	}
	_, alerts := rules(t)
	for _, a := range alerts {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: tested to fire %v, and not to fire %v, want both", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}
