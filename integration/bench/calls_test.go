//go:build integration && bench

package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// counter counts what passes from the daemon to the API server, by the Job that is meant.
type counter struct {
	mu      sync.Mutex
	calls   map[string]int       // guarded by mu; by Job
	strays  int                  // guarded by mu; requests that name no Job: lists, watches
	deleted map[string]time.Time // guarded by mu; when the last DELETE came
}

// jobName finds the Job in a path, in an Event's name and in what the Event is about, whatever the body's encoding.
var jobName = regexp.MustCompile(`due-\d{5}`)

func (c *counter) note(r *http.Request, body []byte) {
	name := jobName.FindString(r.URL.Path)
	if name == "" {
		name = string(jobName.Find(body))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if name == "" {
		c.strays++
		return
	}
	c.calls[name]++
	if r.Method == http.MethodDelete {
		c.deleted[name] = time.Now()
	}
}

// deletedAt returns the time when the Job's last DELETE came; zero: none did.
func (c *counter) deletedAt(job string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deleted[job]
}

// counted starts a proxy that counts, and returns a kubeconfig that leads through it.
func counted(b *testing.B) (c *counter, kubeconfig string) {
	b.Helper()
	c = &counter{calls: map[string]int{}, deleted: map[string]time.Time{}}
	transport, terr := rest.TransportFor(plane.RESTConfig())
	target, uerr := url.Parse(plane.RESTConfig().Host)
	if terr != nil || uerr != nil {
		b.Fatal(terr, uerr)
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, // a watch gives each change at once
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		c.note(r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	b.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	kubeconfig = filepath.Join(b.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "users": [{"name": "c", "user": {}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return c, kubeconfig
}
