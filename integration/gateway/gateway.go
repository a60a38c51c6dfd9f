// Package gateway runs a real S3 server for tests: the versitygw program over a folder of the test.
//
// It owns the process and its folder, and promises that a gateway that Start returned answers, and that nothing of it
// is left when the test has ended. Kill and Restart play an outage: the folder stays, so what was stored is there
// again.
package gateway

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// EnvProgram names the environment variable that holds the path of the versitygw program.
const EnvProgram = "EPILOGUE_TEST_VERSITYGW"

const (
	startTimeout = 30 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// Gateway is one S3 server. Its methods are for the test's own goroutine.
type Gateway struct {
	Endpoint  string // URL, with http or https
	Bucket    string // a bucket that is there and empty
	Region    string
	AccessKey string
	SecretKey string
	CAFile    string // certificate to trust; "" for http

	t       *testing.T
	program string
	address string // host:port, the same after a restart
	root    string // folder of cert.pem, key.pem, sidecar/ and buckets/
	process *process
}

type process struct {
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed when the process has been waited for
}

// Start runs a gateway over http until the test ends.
func Start(t *testing.T) *Gateway {
	t.Helper()
	return start(t, false)
}

// StartTLS runs a gateway over https, with a certificate of its own in CAFile.
func StartTLS(t *testing.T) *Gateway {
	t.Helper()
	return start(t, true)
}

func start(t *testing.T, secure bool) *Gateway {
	t.Helper()
	g := &Gateway{
		Bucket: "archive", Region: "us-east-1", AccessKey: "test-access", SecretKey: "test-secret-key",
		t: t, program: os.Getenv(EnvProgram), address: freeAddress(t), root: t.TempDir(),
	}
	if g.program == "" {
		t.Fatalf("%s is empty, want the path of a versitygw program (v1.8.0)", EnvProgram)
	}
	g.Endpoint = "http://" + g.address
	if secure {
		g.Endpoint = "https://" + g.address
		g.CAFile = filepath.Join(g.root, "cert.pem")
		writeCertificate(t, g.CAFile, filepath.Join(g.root, "key.pem"))
	}
	// A folder below the served one is a bucket.
	for _, folder := range []string{"sidecar", filepath.Join("buckets", g.Bucket)} {
		if err := os.MkdirAll(filepath.Join(g.root, folder), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(g.Kill)
	g.Restart()
	return g
}

// Setenv gives the keys to code that reads them from the environment, as the AWS SDK does, and hides the settings of
// whoever runs the test.
func (g *Gateway) Setenv() {
	g.t.Setenv("AWS_ACCESS_KEY_ID", g.AccessKey)
	g.t.Setenv("AWS_SECRET_ACCESS_KEY", g.SecretKey)
	g.t.Setenv("AWS_SESSION_TOKEN", "")
	g.t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	g.t.Setenv("AWS_CONFIG_FILE", filepath.Join(g.root, "none"))
	g.t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(g.root, "none"))
}

// freeAddress returns a port that is free now. Another process may take it before the gateway does; then the test fails
// at its start.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Restart runs the gateway again at the same address over the same objects, and returns when it answers. It kills the
// one that runs.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.Kill()
	args := []string{"--port", g.address, "--region", g.Region, "--quiet", "--keep-alive"}
	if g.CAFile != "" {
		args = append(args, "--cert", g.CAFile, "--key", filepath.Join(g.root, "key.pem"))
	}
	args = append(args, "posix", "--sidecar", filepath.Join(g.root, "sidecar"), filepath.Join(g.root, "buckets"))
	cmd := exec.Command(g.program, args...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+g.AccessKey, "ROOT_SECRET_KEY="+g.SecretKey)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, output: &output{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		g.t.Fatalf("start %s: %v", g.program, err)
	}
	g.process = p
	go func() {
		_ = cmd.Wait() // it was killed, or awaitAnswer tells
		close(p.ended)
	}()
	g.awaitAnswer(p)
}

// awaitAnswer polls until the gateway answers a request, be it with a refusal.
func (g *Gateway) awaitAnswer(p *process) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), startTimeout)
	defer cancel()
	client := g.Client()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint, nil)
		if err != nil {
			g.t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-p.ended:
			g.t.Fatalf("%s ended at its start:\n%s", g.program, p.output)
		case <-ctx.Done():
			g.t.Fatalf("%s does not answer at %s within %s: %v\n%s", g.program, g.Endpoint, startTimeout, err, p.output)
		}
	}
}

// Kill ends the gateway at once, as a crash does. It does nothing where none runs.
func (g *Gateway) Kill() {
	p := g.process
	if p == nil {
		return
	}
	g.process = nil
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// Pause stops the gateway without ending it: connections open, nothing answers. Resume lets it go on.
func (g *Gateway) Pause() { _ = g.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (g *Gateway) Resume() { _ = g.process.cmd.Process.Signal(syscall.SIGCONT) }

// output keeps what the process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.buf.String())
}
