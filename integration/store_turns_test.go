//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestFaultStoreTakesTurns has a real S3 server that is overloaded, then refuses the daemon's keys, and then works: one
// run, in which pods end at each time. No reader waits for it, and nothing is missing.
func TestFaultStoreTakesTurns(t *testing.T) {
	g := gateway.Start(t)
	door := newDoor(t, g)
	direct := openGateway(t, g)
	g.Endpoint = door.url
	r, first, c := started(t, setting{store: openGateway(t, g)})
	r.set.store = direct // the test looks past the trouble
	write(c, 0, 1000)
	pods, instances := []*kubelet.Pod{first}, []*kubelet.Instance{c}
	for _, code := range []int{http.StatusServiceUnavailable, http.StatusForbidden} {
		door.shut(code)
		instances[len(instances)-1].Exit(0)
		last := pods[len(pods)-1]
		r.await("the log of the one that ended", func() bool { return r.settled(last, instances[len(instances)-1]) })
		r.await(fmt.Sprintf("an answer of %d", code), func() bool { return door.refused(code) > 0 })
		r.await("word that the store does not work", func() bool { return !r.daemon.sealer.StoreWorks() })
		p, c := r.running()
		write(c, 0, 100)
		r.await("the other pod's lines", func() bool { return r.held(p, c) == 100 })
		pods, instances = append(pods, p), append(instances, c)
	}
	failures := r.daemon.value("epilogue_store_failures_total")
	door.shut(0)
	instances[len(instances)-1].Exit(0)
	for n := range pods {
		r.complete(pods[n], instances[n])
	}
	if failures < 2 {
		t.Errorf("got %v failures counted, want one of each kind at least", failures)
	}
	if !r.daemon.sealer.StoreWorks() {
		t.Error("got a store that does not work, want it to")
	}
	r.await("the spool to be empty", func() bool { return r.daemon.spool.Open() == 0 })
}

// door stands before an S3 server, and answers in its place while it is shut.
type door struct {
	url string

	mu    sync.Mutex
	code  int         // guarded by mu; what it answers; 0: it is open
	count map[int]int // guarded by mu; answers by their code
}

func newDoor(t *testing.T, g *gateway.Gateway) *door {
	t.Helper()
	target, err := url.Parse(g.Endpoint)
	must(t, err)
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	d := &door{count: map[int]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := d.answers()
		if code == 0 {
			pass.ServeHTTP(w, r)
			return
		}
		name := map[int]string{http.StatusServiceUnavailable: "SlowDown", http.StatusForbidden: "AccessDenied"}[code]
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>said by a test</Message></Error>", name)
	}))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

func (d *door) answers() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count[d.code]++
	return d.code
}

func (d *door) shut(code int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code = code
}

func (d *door) refused(code int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[code]
}
