package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/metrics/clientgo"
)

// everything assembles the program with all its parts, over an API server that answers nothing. Settings are names and
// values of further variables.
func everything(t *testing.T, settings ...string) *parts {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],`+
		`"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"EPILOGUE_KUBECONFIG": kubeconfig, "EPILOGUE_NAMESPACE": "jobs", "EPILOGUE_LEASE_NAMESPACE": "system", "EPILOGUE_REPLICA": "a",
		"EPILOGUE_ARCHIVE": "file://" + t.TempDir(), "EPILOGUE_SPOOL_DIR": t.TempDir(), "EPILOGUE_RETENTION": "30d", "EPILOGUE_DRY_RUN": "true",
		"EPILOGUE_LAUNCHER": "true", "EPILOGUE_SERVICE_ACCOUNT": "runner",
	}
	for n := 0; n < len(settings); n += 2 {
		env[settings[n]] = settings[n+1]
	}
	cfg, err := config.Bind(pflag.NewFlagSet("epilogue", pflag.ContinueOnError)).Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	store, err := dir.Open(t.Context(), cfg.Archive.Dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := assemble(cfg, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	// One request, for client-go shows what it has counted.
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Discovery().ServerVersion(); err == nil {
		t.Fatal("the server answers, want it to know nothing")
	}
	return p
}

// shown returns what a scrape of the whole program shows, by name.
func shown(t *testing.T, p *parts) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := clientgo.With(p.registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// TestEveryMetricIsThereFromTheStart: what shows up only with its first event cannot be alerted on, for nobody sees it
// rise.
func TestEveryMetricIsThereFromTheStart(t *testing.T) {
	p := everything(t)
	families := shown(t, p)
	descs := make(chan *prometheus.Desc, 1000)
	p.registry.Describe(descs)
	close(descs)
	n := 0
	for d := range descs {
		_, name, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		if n++; families[name] == nil {
			t.Errorf("%s has no series before something happens", name)
		}
	}
	if n < 80 {
		t.Errorf("got %d metrics, want all of them", n)
	}
}

func isOwn(name string) bool {
	return strings.HasPrefix(name, "epilogue_") || strings.HasPrefix(name, "objstore_bucket_")
}

func TestMetricsAreWellNamed(t *testing.T) {
	others := []string{"go_", "process_", "rest_client_", "workqueue_", "promhttp_"}
	for name, f := range shown(t, everything(t)) {
		if !isOwn(name) {
			known := slices.ContainsFunc(others, func(p string) bool { return strings.HasPrefix(name, p) })
			if !known && !slices.Contains(metaMetrics, name) {
				t.Errorf("%s is neither ours nor one of client-go's", name)
			}
			continue
		}
		problems, err := promlint.NewWithMetricFamilies([]*dto.MetricFamily{f}).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// metaMetrics count the metrics of client-go.
var metaMetrics = []string{"cardinality_enforcement_unexpected_categorizations_total", "disabled_metrics_total", "hidden_metrics_total", "registered_metrics_total"}

// TestLabelsAreBounded: a label that names a pod, a Job or a run grows without end.
func TestLabelsAreBounded(t *testing.T) {
	allowed := []string{"reason", "verdict", "kind", "result", "action", "route", "code", "operation", "bucket", "resource", "version", "revision", "goversion"}
	for name, f := range shown(t, everything(t)) {
		if !isOwn(name) {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has the label %s", name, l.GetName())
				}
			}
		}
	}
}

// TestHistogramsAreNativeToo: both forms, for those who can read only one.
func TestHistogramsAreNativeToo(t *testing.T) {
	for name, f := range shown(t, everything(t)) {
		if f.GetType() != dto.MetricType_HISTOGRAM || !isOwn(name) {
			continue
		}
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h.Schema == nil || len(h.GetBucket()) == 0 {
				t.Errorf("%s: got schema %v and %d classic buckets, want both", name, h.Schema, len(h.GetBucket()))
			}
		}
	}
}

// TestMetricsPage writes docs/metrics.md from what the program shows.
func TestMetricsPage(t *testing.T) {
	golden.Compare(t, "../../docs/metrics.md", page(shown(t, everything(t))))
}

const pageHead = `# Metrics

<!-- Generated from the registry of the daemon. Do not edit: go test ./cmd/daemon -run TestMetricsPage -update -->

` + "`GET /metrics`" + ` on the address of ` + "`metrics-listen`" + ` (port 9090 of the Service), for Prometheus. No metric carries the name
of a pod, a Job or a run: the number of series does not depend on what runs. Counters and gauges with labels show every
value of theirs from the start, so that the first event is a rise. Histograms come with classic buckets, and as native
ones where the scraper asks for these. The alerts that read them have their [runbooks](runbooks/README.md).

How many *lines* are missing in a gap is not known to anyone: the kubelet does not number them. So what is lost is
counted in gaps (` + "`epilogue_log_gaps_total`" + `), in logs by their verdict (` + "`epilogue_logs_sealed_total`" + `), in seams
(` + "`epilogue_log_seams_total`" + `) and in pods that came and went unseen (` + "`epilogue_pods_unseen_total`" + `); the manifest names
the bounds of each gap.

With ` + "`metrics-auth: kubernetes`" + ` only accounts may scrape that may get the non-resource URL ` + "`/metrics`" + `, as the usual
ClusterRole of Prometheus allows; it sends its token (` + "`serviceMonitor.endpoint`" + ` of the chart takes an ` + "`authorization`" + `).
The daemon needs two rights outside namespaces for it ([security.md](security.md#what-it-may-do-in-the-cluster)), which
the chart gives with ` + "`environment.EPILOGUE_METRICS_AUTH`" + `, and with the API.
`

// page returns docs/metrics.md.
func page(families map[string]*dto.MetricFamily) []byte {
	out := bytes.NewBufferString(pageHead)
	for _, section := range []struct{ head, text, prefix string }{
		{"Epilogue", "", "epilogue_"},
		{"Object store", "The names are those of Thanos, Mimir and Tempo, whose dashboards and alerts read them, too.", "objstore_"},
		{"Kubernetes client", "What k8s.io/component-base counts for client-go. Some show only after the first event of their kind, and so does\n`rest_client_request_retries_total`.", "rest_client_"},
		{"Queues", "From the same. The label `name` is `pods`, `checks`, `seals`, `jobs` for what is followed and sealed, `cleanup`,\n`proofs`, `deletions` for what is held and deleted.", "workqueue_"},
	} {
		fmt.Fprintf(out, "\n## %s\n\n", section.head)
		if section.text != "" {
			fmt.Fprintf(out, "%s\n\n", section.text)
		}
		fmt.Fprintf(out, "| metric | type | labels | what it says |\n|---|---|---|---|\n")
		for _, name := range sortedNames(families) {
			if f := families[name]; strings.HasPrefix(name, section.prefix) {
				help := strings.ReplaceAll(strings.Join(strings.Fields(f.GetHelp()), " "), "|", `\|`)
				fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), labelsOf(f), help)
			}
		}
	}
	fmt.Fprintf(out, "\n## Process\n\n`process_*` and `go_*` are those of the Prometheus client for Go (memory, CPU, file descriptors, garbage collector,\nscheduler), `promhttp_*` count failed scrapes, and these count Kubernetes' own metrics:\n`%s`.\n",
		strings.Join(metaMetrics, "`,\n`"))
	return out.Bytes()
}

func sortedNames(families map[string]*dto.MetricFamily) []string {
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// labelsOf returns the labels and, where they come from a small fixed set, their values.
func labelsOf(f *dto.MetricFamily) string {
	values := map[string][]string{}
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			if !slices.Contains(values[l.GetName()], l.GetValue()) {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	slices.Sort(names)
	var texts []string
	for _, name := range names {
		text := "`" + name + "`"
		if fixed := []string{"reason", "verdict", "kind", "result", "action", "operation", "resource"}; isOwn(f.GetName()) && slices.Contains(fixed, name) {
			slices.Sort(values[name])
			text += ": " + strings.Join(values[name], ", ")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
