//go:build e2e

package deploy

import (
	"reflect"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// The operator gets the very rules that promtool tests, and none unless it is asked for.
func TestPrometheusRule(t *testing.T) {
	if objects := render(t); objects["PrometheusRule"] != nil {
		t.Error("got a PrometheusRule by default, want none where its kind may be unknown")
	}
	got, ok := render(t, "prometheusRule.enabled=true", "prometheusRule.additionalLabels.release=prometheus")["PrometheusRule"].(*monitoringv1.PrometheusRule)
	if !ok {
		t.Fatal("got no PrometheusRule")
	}
	if got.Labels["release"] != "prometheus" || got.Labels["app.kubernetes.io/instance"] != "epilogue" {
		t.Errorf("got labels %v, want those that were asked for and the chart's", got.Labels)
	}
	var want struct{ Groups []struct{ Name string } }
	readYAML(t, alertsFile, &want)
	var names, wantNames []string
	n := 0
	for _, g := range got.Spec.Groups {
		names = append(names, g.Name)
		for _, r := range g.Rules {
			n++
			if r.Expr.StrVal == "" {
				t.Errorf("group %s: got a rule %q without an expression", g.Name, r.Alert+r.Record)
			}
		}
	}
	for _, g := range want.Groups {
		wantNames = append(wantNames, g.Name)
	}
	all, _ := rules(t)
	if !reflect.DeepEqual(names, wantNames) || n != len(all) {
		t.Errorf("got groups %v with %d rules, want %v with %d", names, n, wantNames, len(all))
	}
}
