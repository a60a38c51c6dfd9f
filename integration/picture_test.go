//go:build integration

package integration

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/picture"
)

var pictureFile = flag.String("picture", "", "file for a picture of the dashboard under two minutes of load; without it none is drawn")

// What the picture shows.
const (
	shown     = 2 * time.Minute
	storeDown = 45 * time.Second // since the begin; it is back after outage
	nodeDown  = 80 * time.Second // the same
	outage    = 10 * time.Second
)

// TestPicture draws the dashboard: two replicas of the program work, a real Prometheus scrapes them, and what it answers to the
// panels' queries is drawn. Jobs come, fail and go all the time; for ten seconds each the store and then the node are down, so that
// the panels of trouble show some.
func TestPicture(t *testing.T) {
	if *pictureFile == "" {
		t.Skip("it is given no -picture FILE")
	}
	cp, err := managed()
	must(t, err)
	g := gateway.Start(t)
	h := newHouse(t, setting{plane: cp, store: openGateway(t, g), node: []kubelet.Option{kubelet.RotateAt(32 << 10)}}, act)
	ctx, cancel := context.WithTimeout(t.Context(), shown+4*patience)
	defer cancel()
	h.ctx = ctx
	f := &fleet{rig: h.rig, gateway: g, program: buildDaemon(t)}
	l := &load{house: h, fleet: f, t: t}
	for _, name := range []string{"replica-1", "replica-2"} {
		l.apis = append(l.apis, address(t))
		f.flags = []string{
			"--cleanup=true", "--ttl", "8s", "--grace-image-pull", "15s", "--api-listen", l.apis[len(l.apis)-1], "--api-auth", "none",
			"--launcher=true", "--service-account", "default", "--max-concurrent-runs", "3", "--job-backoff-limit", "0",
		}
		f.start(name)
	}
	m := f.startPrometheus("replica-1", "replica-2")
	h.await("the first scrapes", func() bool { return len(m.ask(`epilogue_build_info and on (instance) up == 1`)) == 2 })

	begin := l.run()
	d, answers := dashboard(t), picture.Answers{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			answers[target.Expr] = m.over(target.Expr, begin)
		}
	}
	var out bytes.Buffer
	must(t, picture.Draw(&out, d, answers))
	must(t, os.WriteFile(*pictureFile, out.Bytes(), 0o644))
}

// over gives the series of a query over what the picture shows.
func (m *monitor) over(expr string, begin time.Time) []picture.Series {
	m.t.Helper()
	ask := url.Values{"query": {filled(expr, "15s", "2m")}, "step": {"2"}}
	ask.Set("start", fmt.Sprint(begin.Unix()))
	ask.Set("end", fmt.Sprint(begin.Add(shown).Unix()))
	var got struct {
		ResultType string
		Result     []picture.Series
	}
	m.await("the series of "+expr, func() bool {
		m.data("/api/v1/query_range?"+ask.Encode(), &got)
		return got.ResultType == "matrix"
	})
	return got.Result
}

// act plays the pod of a Job by its name: some never get their image, some fail, all others write at one of several speeds for some seconds.
func act(ctx context.Context, p *kubelet.Pod) {
	job, n := p.Object().Labels["job-name"], 0
	if strings.HasPrefix(job, "no-image") {
		p.Wait("main", "ImagePullBackOff", "Back-off pulling image registry.example/main:1")
		return
	}
	_, _ = fmt.Sscanf(job, "job-%d", &n) // a launched Job has another name, and is like the first
	speed := 40 * (1 + n%5)
	c := p.Start("main")
	text := func(n int) string { return fmt.Sprintf("step %d of the training: loss %.4f", n, 10/float64(n+10)) }
	if err := c.Flood(ctx, kubelet.Load{Lines: speed * (2 + n%9), PerSecond: speed, Text: text}); err != nil {
		return // the test is over
	}
	c.Exit(min(n%7/6, 1))
}

// load is what the program has to do while the picture is taken.
type load struct {
	house *house
	fleet *fleet
	t     *testing.T
	apis  []string // host:port, one of each replica
}

// run makes load for as long as the picture shows, and gives its begin.
func (l *load) run() time.Time {
	begin, jobs := time.Now(), 0
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	next := begin
	events := l.events()
	for n := 0; time.Since(begin) < shown; n++ {
		<-tick.C
		for len(events) > 0 && time.Since(begin) > events[0].after {
			events[0].do()
			events = events[1:]
		}
		l.ask(n, jobs)
		if time.Now().After(next) {
			jobs++
			l.house.launch(fmt.Sprint("job-", jobs), nil)
			wave := math.Sin(2 * math.Pi * time.Since(begin).Seconds() / 40)
			next = time.Now().Add(time.Second + time.Duration(wave*float64(700*time.Millisecond)))
		}
	}
	return begin
}

type event struct {
	after time.Duration // since the begin
	do    func()
}

func (l *load) events() (all []event) {
	cut := func() {
		for _, p := range l.fleet.proxies {
			p.cut()
		}
	}
	mend := func() {
		for _, p := range l.fleet.proxies {
			p.mend()
		}
	}
	for n := range 3 {
		all = append(all, event{time.Duration(12+n) * time.Second, func() { l.house.launch(fmt.Sprint("no-image-", n), nil) }})
	}
	all = append(all, event{25 * time.Second, l.runs(10)}, event{storeDown, cut}, event{storeDown + outage, mend})
	all = append(all, event{70 * time.Second, l.runs(8)}, event{nodeDown, l.house.node.Down}, event{nodeDown + outage, l.house.node.Up})
	return all
}

// ask asks for a list, and now and then for a log and for what is not there.
func (l *load) ask(n, jobs int) {
	path := "/api/v1/namespaces/" + l.house.ns + "/jobs"
	switch {
	case n%5 == 0:
		path += fmt.Sprintf("/job-%d/log?tailLines=10", jobs)
	case n%17 == 0:
		path += "/not-there"
	}
	_, _ = l.fleet.get(l.apis[n%len(l.apis)], path) // what it answers is in the metrics
}

// runs asks the launcher for Jobs.
func (l *load) runs(count int) func() {
	return func() {
		for n := range count {
			to := fmt.Sprintf("http://%s/api/v1/namespaces/%s/workloads/%s/runs", l.apis[0], l.house.ns, workloadID(time.Now().Second()*100+n))
			answer, err := http.Post(to, "application/json", strings.NewReader(`{"image": "registry.example/main:1", "command": ["train"]}`))
			must(l.t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusAccepted {
				l.t.Errorf("launch a run: got status %s, want 202", answer.Status)
			}
		}
	}
}
