package kubelet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// callTimeout bounds each call to the API server.
const callTimeout = 30 * time.Second

// server is the node's HTTPS port. It can go down and come up again on the same port.
type server struct {
	handler http.Handler
	tls     *tls.Config
	address string

	mu   sync.Mutex
	http *http.Server // nil while down; guarded by mu
}

func listen(t testing.TB, handler http.Handler) *server {
	t.Helper()
	s := &server{handler: handler, tls: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, address: "127.0.0.1:0"}
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

// start listens on the port it had before. The goroutine ends with stop.
func (s *server) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatalf("listen on %s: %v", s.address, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = l.Addr().String()
	s.http = &http.Server{Handler: s.handler, TLSConfig: s.tls.Clone(), ErrorLog: log.New(io.Discard, "", 0)}
	go func(h *http.Server) { _ = h.ServeTLS(l, "", "") }(s.http) // always ErrServerClosed
}

func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		_ = s.http.Close() // closing sockets of a test: nothing to save
		s.http = nil
	}
}

func (s *server) port() int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr, err := net.ResolveTCPAddr("tcp", s.address)
	if err != nil {
		panic("kubelet: the listener's own address cannot be parsed: " + err.Error())
	}
	return int32(addr.Port)
}

// certificate makes a self-signed one. The API server does not verify it: it has no authority for kubelets.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make the kubelet's key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubelet"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("sign the kubelet's certificate: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// register creates the Node object that leads the API server here, and deletes it with the test.
func (k *Kubelet) register() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: k.node, Labels: map[string]string{corev1.LabelHostname: k.node}},
		Status: corev1.NodeStatus{
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: k.server.port()}},
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	if _, err := k.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		k.t.Fatalf("create node %s: %v", k.node, err)
	}
	k.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		// Best effort: the next test makes a node of another name, or finds out.
		_ = k.client.CoreV1().Nodes().Delete(ctx, k.node, metav1.DeleteOptions{})
	})
}
