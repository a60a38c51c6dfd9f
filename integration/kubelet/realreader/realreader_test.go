// Package realreader compares the fake kubelet with the reader that the real one uses, k8s.io/cri-client's ReadLogs, on
// real files under a real inotify. It is a module of its own: the real reader brings gRPC and much else along, which
// the project does not need. `go test ./...` in this folder runs it, on Linux.
package realreader

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"

	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// pair is one log twice: real files, and the fake's instance.
type pair struct {
	t        *testing.T
	dir      string
	current  *os.File
	rotated  int
	runtime  *containerState
	instance *kubelet.Instance
	client   kubernetes.Interface
}

// containerState is the one question that the real reader asks the container runtime.
type containerState struct {
	internalapi.RuntimeService
	mu    sync.Mutex
	ended bool
}

func (r *containerState) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := runtimeapi.ContainerState_CONTAINER_RUNNING
	if r.ended {
		state = runtimeapi.ContainerState_CONTAINER_EXITED
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}

func newPair(t *testing.T) *pair {
	t.Helper()
	k := kubelet.New(t, nil, "node-a")
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://node", Transport: k.Transport(), QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{
		t: t, dir: t.TempDir(), runtime: &containerState{}, client: client,
		instance: k.Pod("jobs", kubelet.Spec{Name: "p"}).Start("main"),
	}
	p.create()
	return p
}

func (p *pair) path() string { return filepath.Join(p.dir, "0.log") }

func (p *pair) create() {
	p.t.Helper()
	f, err := os.Create(p.path())
	if err != nil {
		p.t.Fatal(err)
	}
	p.current = f
}

func (p *pair) append(records ...kubelet.Record) {
	p.t.Helper()
	var b bytes.Buffer
	for _, r := range records {
		tag := map[bool]string{true: "P", false: "F"}[r.Partial]
		if r.Output == "" {
			r.Output = kubelet.Stdout
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", r.Time.Format(time.RFC3339Nano), r.Output, tag, r.Text)
	}
	if _, err := p.current.Write(b.Bytes()); err != nil {
		p.t.Fatal(err)
	}
	p.instance.Append(records...)
}

// line writes a line, and leaves the real watch the time to take it from the kernel: what it has in hand is not merged.
func (p *pair) line(text string) {
	p.append(kubelet.Record{Time: start, Text: []byte(text)})
	time.Sleep(5 * time.Millisecond) // the real reader gives no sign of what it has heard
}

func (p *pair) rotate() {
	p.rotated++
	if err := os.Rename(p.path(), fmt.Sprintf("%s.%08d", p.path(), p.rotated)); err != nil {
		p.t.Fatal(err)
	}
	if err := p.current.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.create()
	p.instance.Rotate()
}

func (p *pair) exit() {
	p.runtime.mu.Lock()
	p.runtime.ended = true
	p.runtime.mu.Unlock()
	p.instance.Exit(0)
}

// TestRead compares readings with random options of random records.
func TestRead(t *testing.T) {
	for seed := range int64(300) {
		rng := rand.New(rand.NewSource(seed))
		p := newPair(t)
		at := start
		for range 1 + rng.Intn(30) {
			at = at.Add(time.Duration(rng.Intn(1500)-200) * time.Millisecond)
			p.append(kubelet.Record{
				Time: at, Output: []kubelet.Output{kubelet.Stdout, kubelet.Stderr}[rng.Intn(2)], Partial: rng.Intn(3) == 0,
				Text: bytes.Repeat([]byte{byte('a' + rng.Intn(26))}, rng.Intn(6)),
			})
		}
		for range 20 {
			p.compareRead(seed, rng)
		}
	}
}

func (p *pair) compareRead(seed int64, rng *rand.Rand) {
	p.t.Helper()
	opts := &corev1.PodLogOptions{Timestamps: rng.Intn(2) == 0}
	same := &logs.LogOptions{Timestamp: opts.Timestamps}
	if rng.Intn(2) == 0 {
		same.Since = start.Add(time.Duration(rng.Intn(20)) * time.Second)
		opts.SinceTime = &metav1.Time{Time: same.Since}
	}
	if rng.Intn(2) == 0 {
		n := int64(rng.Intn(12))
		opts.TailLines, same.TailLines = &n, &n
	}
	if rng.Intn(3) == 0 {
		n := int64(1 + rng.Intn(100))
		opts.LimitBytes, same.LimitBytes = &n, &n
	}
	var want bytes.Buffer
	if err := logs.ReadLogs(p.t.Context(), p.path(), "", same, p.runtime, &want, &want); err != nil {
		p.t.Fatal(err)
	}
	got, err := p.client.CoreV1().Pods("jobs").GetLogs("p", opts).DoRaw(p.t.Context())
	if err != nil || string(got) != want.String() {
		p.t.Fatalf("seed %d, options %v: fake %q, %v; real %q", seed, opts, got, err, want.String())
	}
}

// TestFollow compares followers that were held at a record while the script went on.
func TestFollow(t *testing.T) {
	tests := []struct {
		name         string
		before, hold int // records at hand when the follow opens; records printed before it is held
		script       func(p *pair)
	}{
		{"rotation during catch-up", 5, 2, func(p *pair) { p.line("x"); p.rotate(); p.line("y"); p.line("z") }},
		{"two rotations during catch-up", 5, 2, func(p *pair) { p.line("x"); p.rotate(); p.line("y"); p.rotate(); p.line("z") }},
		{"rotation while slow", 2, 4, func(p *pair) { p.line("x"); p.rotate(); p.line("y"); p.line("z") }},
		{"two rotations while slow", 2, 4, func(p *pair) { p.line("x"); p.rotate(); p.line("y"); p.rotate(); p.line("z") }},
		{"three rotations while slow", 2, 4, func(p *pair) {
			for n := range 3 {
				p.rotate()
				p.line(fmt.Sprint(n))
			}
			p.line("last")
		}},
		{"empty files", 2, 4, func(p *pair) { p.rotate(); p.rotate(); p.rotate(); p.line("z") }},
		{"rotation and exit", 2, 4, func(p *pair) { p.line("x"); p.rotate(); p.line("y"); p.exit() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake, real := follow(t, test.before, test.hold, test.script)
			t.Logf("real reader: %q", strings.Split(real, "\n"))
			if fake != real {
				t.Errorf("fake %q, real %q", fake, real)
			}
		})
	}
}

func follow(t *testing.T, before, hold int, script func(p *pair)) (fake, real string) {
	t.Helper()
	p := newPair(t)
	for n := range before {
		p.append(kubelet.Record{Time: start, Text: fmt.Appendf(nil, "before %d", n)})
	}
	w := &heldWriter{left: hold, reached: make(chan struct{}), release: make(chan struct{})}
	realDone := make(chan error, 1)
	go func() {
		realDone <- logs.ReadLogs(context.Background(), p.path(), "", &logs.LogOptions{Follow: true}, p.runtime, w, w)
	}()
	h := kubelet.NewHold()
	p.instance.Inject(&kubelet.Fault{AfterLines: hold, Hold: h})
	body, err := p.client.CoreV1().Pods("jobs").GetLogs("p", &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fakeText := make(chan string)
	go func() {
		b, _ := io.ReadAll(body) // the fake ends every body cleanly
		fakeText <- string(b)
	}()
	if hold >= before { // both watch by the time they are held
		time.Sleep(200 * time.Millisecond) // the real reader gives no sign that it watches
		for n := before; n <= hold; n++ {
			p.line(fmt.Sprintf("live %d", n))
		}
	}
	<-w.reached
	<-h.Reached()
	script(p)
	close(w.release)
	h.Release()
	time.Sleep(1500 * time.Millisecond) // more than the real reader's forced check
	p.exit()
	if err := <-realDone; err != nil {
		t.Fatal(err)
	}
	return <-fakeText, w.text.String()
}

// heldWriter keeps what the real reader prints, and holds it once before a certain write.
type heldWriter struct {
	text             bytes.Buffer
	left             int
	reached, release chan struct{}
}

func (w *heldWriter) Write(b []byte) (int, error) {
	if w.left == 0 {
		close(w.reached)
		<-w.release
	}
	w.left--
	return w.text.Write(b)
}
