package follow

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"k8s.io/client-go/rest"
)

// TestSourceGoesThroughTheProxy of the kubeconfig, as everything else does that client-go asks.
func TestSourceGoesThroughTheProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "by proxy to "+r.URL.Host) // a test that hears nothing fails
	}))
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	source, err := NewSource(&rest.Config{Host: "http://api.example.invalid", Proxy: http.ProxyURL(at)})
	if err != nil {
		t.Fatal(err)
	}
	log, err := source.Open(t.Context(), Request{Namespace: "jobs", Pod: "p", Container: "main"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got, err := io.ReadAll(log)
	if want := "by proxy to api.example.invalid"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestSourceTakesTheDialer of the configuration, and its name for the server's certificate.
func TestSourceTakesTheDialer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "asked as "+r.TLS.ServerName+" for "+r.Host) // a test that hears nothing fails
	}))
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	dialed := ""
	source, err := NewSource(&rest.Config{
		Host: "https://api.example.invalid", TLSClientConfig: rest.TLSClientConfig{CAData: authority, ServerName: "example.com"},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialed = address
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := source.Open(t.Context(), Request{Namespace: "jobs", Pod: "p", Container: "main"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got, err := io.ReadAll(log)
	if want := "asked as example.com for api.example.invalid"; err != nil || string(got) != want || dialed != "api.example.invalid:443" {
		t.Errorf("got %q, %v over %s, want %q over the dialer", got, err, dialed, want)
	}
}
