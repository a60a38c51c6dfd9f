package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificate writes a self-signed certificate for 127.0.0.1 and its key.
func writeCertificate(t *testing.T, certFile, keyFile, name string) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return must(x509.ParseCertificate(der))
}

func newCertificate(t *testing.T, dir, name string) *Certificate {
	t.Helper()
	certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	writeCertificate(t, certFile, keyFile, name)
	return must(OpenCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)))
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := OpenCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a start without the files: got no error")
	}
	writeCertificate(t, certFile, keyFile, "first")
	var said bytes.Buffer
	c, err := OpenCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serves := func(want string) {
		t.Helper()
		c.looked = time.Time{} // as after ten seconds
		pair, err := c.Current()
		if err != nil {
			t.Fatal(err)
		}
		if got := must(x509.ParseCertificate(pair.Certificate[0])).Subject.CommonName; got != want {
			t.Errorf("serves %q, want %q", got, want)
		}
	}
	serves("first")
	writeCertificate(t, certFile, keyFile, "second, with a longer name")
	serves("second, with a longer name")
	// Half a change, and no file at all: the last good pair is served on.
	whole := must(os.ReadFile(keyFile))
	if err := os.WriteFile(keyFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	serves("second, with a longer name")
	if !bytes.Contains(said.Bytes(), []byte("cannot be read anew")) {
		t.Errorf("the log says nothing of it: %s", said.Bytes())
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	serves("second, with a longer name")
	if err := os.WriteFile(keyFile, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, certFile, keyFile, "third")
	serves("third")
}

// TestServesOverTLS: what Run serves with a certificate, without old versions of TLS, and with a follower it ends when
// it is told to.
func TestServesOverTLS(t *testing.T) {
	s := newShelf(t)
	s.draft(usualPod, "main")
	s.write(usualPod, "one")
	dir := t.TempDir()
	c := newCertificate(t, dir, "tls")
	s.parts.Certificate = c.Current
	s.api = NewAPI(Config{Namespace: "jobs"}, s.parts)
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.api.Run(ctx, l) }()
	pair := must(c.Current())
	roots := x509.NewCertPool()
	roots.AddCert(must(x509.ParseCertificate(pair.Certificate[0])))
	client := func(most uint16) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: most}, ForceAttemptHTTP2: true}}
	}
	get := func(c *http.Client, path string) (*http.Response, error) {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.Addr().String()+path, nil))
		r.Header.Set("Authorization", "Bearer jane")
		return c.Do(r)
	}
	if _, err := get(client(tls.VersionTLS11), logPath); err == nil {
		t.Error("an old version of TLS: got no error")
	}
	resp, err := get(client(0), logPath+"?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line := make([]byte, 4)
	if _, err := resp.Body.Read(line); err != nil || string(line) != "one\n" || resp.ProtoMajor != 2 {
		t.Fatalf("got %q over HTTP/%d, %v, want the line over HTTP/2", line, resp.ProtoMajor, err)
	}
	stop()
	var rest bytes.Buffer
	if _, err := rest.ReadFrom(resp.Body); err == nil {
		t.Error("the follower took the stop for the end of the log")
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
