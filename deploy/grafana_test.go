//go:build e2e

package deploy

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// TestGrafanaIsProvisioned: the data source leads to the Service, and the dashboard is the one in the chart.
func TestGrafanaIsProvisioned(t *testing.T) {
	got, ok := render(t, "grafana.datasource.enabled=true", "api.tlsSecret=cert")["ConfigMap"].(*corev1.ConfigMap)
	if !ok || got.Labels["grafana_datasource"] != "1" {
		t.Fatalf("got %+v, want a ConfigMap with the sidecar's label", got)
	}
	var provisioned struct {
		Datasources []struct {
			Name, Type, URL string
			SecureJSONData  map[string]string `yaml:"secureJsonData"`
		}
	}
	if err := yaml.Unmarshal([]byte(got.Data["epilogue.yaml"]), &provisioned); err != nil {
		t.Fatal(err)
	}
	if d := provisioned.Datasources; len(d) != 1 || d[0].Type != "loki" || !strings.HasPrefix(d[0].URL, "https://epilogue.") ||
		!strings.HasSuffix(d[0].URL, ":8000") || d[0].SecureJSONData["httpHeaderValue1"] != "Bearer $JOB_LOGS_TOKEN" {
		t.Errorf("got %+v", d)
	}
	own := render(t, "grafana.datasource.enabled=true", "grafana.datasource.forwardOAuth=true")["ConfigMap"].(*corev1.ConfigMap)
	if text := own.Data["epilogue.yaml"]; strings.Contains(text, "TOKEN") || !strings.Contains(text, "oauthPassThru: true") {
		t.Errorf("got %s, want users' own tokens", text)
	}
	logs := render(t, "grafana.dashboard.enabled=true")["ConfigMap"].(*corev1.ConfigMap)
	if want, err := os.ReadFile(logsDashboardFile); err != nil || logs.Data["epilogue-logs.json"] != string(want) {
		t.Error("the dashboard is another one in the ConfigMap")
	}
}
