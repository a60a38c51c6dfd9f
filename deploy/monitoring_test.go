//go:build e2e

package deploy

import (
	"os"
	"reflect"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
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

// Grafana's sidecar finds the dashboard by its label.
func TestDashboardIsFound(t *testing.T) {
	for _, object := range render(t) {
		if _, ok := object.(*corev1.ConfigMap); ok {
			t.Error("got a ConfigMap by default, want none that nobody reads")
		}
	}
	got, ok := render(t, "dashboard.enabled=true", "dashboard.annotations.grafana_folder=Jobs")["ConfigMap"].(*corev1.ConfigMap)
	if !ok {
		t.Fatal("got no ConfigMap")
	}
	if got.Labels["grafana_dashboard"] != "1" || got.Annotations["grafana_folder"] != "Jobs" {
		t.Errorf("got labels %v and annotations %v, want the sidecar's", got.Labels, got.Annotations)
	}
	want, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if got.Data["epilogue.json"] != string(want) {
		t.Error("the dashboard is another one in the ConfigMap")
	}
}
