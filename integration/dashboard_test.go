//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestDashboard: a real Prometheus scrapes the program itself while it follows, seals, deletes and answers, and is
// asked what each panel of the dashboard asks: every query is understood, reads metrics that are there, and gets
// numbers. The alerts are loaded, too: each of their expressions works, and nothing is wrong.
func TestDashboard(t *testing.T) {
	cp, err := managed()
	must(t, err)
	g := gateway.Start(t)
	h := newHouse(t, setting{plane: cp, store: openGateway(t, g)}, func(ctx context.Context, p *kubelet.Pod) {
		if strings.HasPrefix(p.Name(), "goes-on") {
			chatty(ctx, p)
			return
		}
		quick(0)(ctx, p)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	h.ctx = ctx
	api := address(t)
	f := &fleet{rig: h.rig, gateway: g, program: buildDaemon(t), flags: []string{
		"--cleanup=true", "--ttl", "1s", "--api-listen", api, "--api-auth", "none", "--launcher=true", "--service-account", "default",
	}}
	f.start("a")
	m := f.startPrometheus("a")
	h.await("the first scrape", func() bool { return len(m.ask(`epilogue_build_info and on (instance) up == 1`)) == 1 })

	h.launch("goes-on", nil)
	var done []*batchv1.Job
	for n := range 5 {
		done = append(done, h.launch(fmt.Sprint("job-", n), nil))
	}
	for _, job := range done {
		h.until("its deletion", job, func(j *batchv1.Job) bool { return j == nil })
	}
	h.await("an answer of the API", func() bool {
		_, err := f.get(api, "/api/v1/namespaces/"+h.ns+"/jobs")
		return err == nil
	})

	var names []string
	h.await("the names of metrics", func() bool { m.data("/api/v1/label/__name__/values", &names); return len(names) > 0 })
	for title, queries := range panels(t) {
		for _, query := range queries {
			unknown := slices.DeleteFunc(metricName.FindAllString(query, -1), func(name string) bool { return slices.Contains(names, name) })
			if len(unknown) > 0 {
				t.Errorf("panel %q reads %v, which Prometheus does not have", title, unknown)
				continue
			}
			h.await(fmt.Sprintf("numbers for panel %q: %s", title, query), func() bool { return len(m.ask(query)) > 0 })
		}
	}
	m.judgeRules()
}

var metricName = regexp.MustCompile(`\b(epilogue|objstore|workqueue|rest_client|process)_[a-z_]+`)

// panels returns the queries of the dashboard by the titles of its panels, with Grafana's variables filled in.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	byTitle := map[string][]string{}
	for _, p := range dashboard(t) {
		for _, target := range p.Targets {
			query := filled(target.Expr)
			if strings.Contains(query, "$") {
				t.Errorf("panel %q has a variable that is not known: %s", p.Title, query)
			}
			byTitle[p.Title] = append(byTitle[p.Title], query)
		}
	}
	if len(byTitle) < 30 {
		t.Fatalf("got %d panels, want all of them", len(byTitle))
	}
	return byTitle
}

// panel is one panel of a dashboard of Grafana, or the heading of a row of them, as far as it is asked about.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../deploy/chart/epilogue/files/dashboard.json")
	must(t, err)
	var d struct{ Panels []panel }
	must(t, json.Unmarshal(text, &d))
	return d.Panels
}

// filled is the query with Grafana's variables filled in: all namespaces, and five minutes of time.
func filled(query string) string {
	return strings.NewReplacer("$namespace", ".*", "$__rate_interval", "5m", "$__range", "5m").Replace(query)
}

// monitor is a Prometheus.
type monitor struct {
	*fleet
	address string
}

// startPrometheus starts one that scrapes these processes every second, and waits until it is ready.
func (f *fleet) startPrometheus(names ...string) *monitor {
	f.t.Helper()
	rules, err := filepath.Abs("../deploy/chart/epilogue/files/alerts.yaml")
	must(f.t, err)
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n  - job_name: epilogue\n    static_configs:\n", rules)
	for _, name := range names {
		text += fmt.Sprintf("      - {targets: [%q], labels: {namespace: system, pod: %q}}\n", f.live[name].metrics, name)
	}
	dir := f.t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	must(f.t, os.WriteFile(config, []byte(text), 0o600))
	m := &monitor{f, address(f.t)}
	said := &spoken{}
	cmd := exec.Command(program(f.t, "EPILOGUE_TEST_PROMETHEUS"),
		"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", m.address)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = said, said, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(f.t, cmd.Start())
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if f.t.Failed() {
			f.t.Logf("Prometheus said:\n%s", said)
		}
	})
	f.await("Prometheus to be ready", func() bool {
		_, err := f.get(m.address, "/-/ready")
		return err == nil
	})
	return m
}

// data returns what stands under data in an answer of Prometheus; no answer within a second is an empty one.
func (m *monitor) data(path string, into any) {
	m.t.Helper()
	text, err := m.get(m.address, path)
	if err != nil {
		if strings.Contains(err.Error(), "status 4") {
			m.t.Fatalf("%s: %v", path, err)
		}
		return
	}
	if err := json.Unmarshal([]byte(text), &struct{ Data any }{into}); err != nil {
		m.t.Fatalf("%s: %v in %s", path, err, text)
	}
}

// ask returns the numbers that a query has now.
func (m *monitor) ask(query string) (values []string) {
	m.t.Helper()
	var got struct {
		Result []struct{ Value []any }
	}
	m.data("/api/v1/query?query="+url.QueryEscape(query), &got)
	for _, r := range got.Result {
		if v := fmt.Sprint(r.Value[1]); v != "NaN" {
			values = append(values, v)
		}
	}
	return values
}

// judgeRules: every rule has been evaluated without an error, and no alert fires.
func (m *monitor) judgeRules() {
	m.t.Helper()
	type state struct{ Name, Health, LastError, State string }
	var got struct{ Groups []struct{ Rules []state } }
	evaluated := func() bool {
		m.data("/api/v1/rules", &got)
		n := 0
		for _, g := range got.Groups {
			for _, r := range g.Rules {
				if n++; r.Health == "unknown" {
					return false
				}
			}
		}
		return n > 0
	}
	m.await("all rules to be evaluated", evaluated)
	for _, g := range got.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" || r.State == "firing" {
				m.t.Errorf("rule %s: got health %s, state %s (%s), want it healthy and quiet", r.Name, r.Health, r.State, r.LastError)
			}
		}
	}
}
