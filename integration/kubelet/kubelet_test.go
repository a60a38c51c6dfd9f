package kubelet

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// bed is what a case of the suite stands on: a node, and a client that reaches it through an API server or through
// Transport.
type bed struct {
	t      *testing.T
	k      *Kubelet
	client kubernetes.Interface
	ns     string
}

// suite pins what a client sees of the node. It runs in the same process, and with the build tag integration through a
// real API server, so Transport is known to answer as the API server does.
var suite = []struct {
	name string
	opts []Option
	run  func(b *bed)
}{
	{"read options", nil, caseReadOptions},
	{"only the current file can be read", nil, caseCurrentFile},
	{"split lines", nil, caseSplitLines},
	{"since inside a split line", nil, caseSinceInsideSplit},
	{"bytes pass untouched", nil, caseBytes},
	{"times in the node's zone", []Option{Zone(time.FixedZone("", 2*3600))}, caseZone},
	{"times without zeros", []Option{ShortTimes()}, caseShortTimes},
	{"follow ends with the container", nil, caseFollowEnds},
	{"follow crosses a rotation", nil, caseFollowRotation},
	{"a rotation inside a line", nil, caseCutLine},
	{"slow follow skips files and repeats the last", nil, caseSlowFollow},
	{"rotation during catch-up is never seen", nil, caseCatchUp},
	{"rotation and exit lose the tail of a follow only", nil, caseRotateExit},
	{"late output needs another read", nil, caseLateOutput},
	{"cut inside a line is a clean end", nil, caseCut},
	{"kubelet restart is a clean end", nil, caseKillStreams},
	{"stream limit is a clean end", []Option{StreamLimit(200 * time.Millisecond)}, caseStreamLimit},
	{"error text at the start of a 200", nil, caseErrorText},
	{"error text after good content", nil, caseErrorTextLate},
	{"no inotify instance left", []Option{MaxWatches(1)}, caseWatchLimit},
	{"HTTP error", nil, caseHTTPError},
	{"node is down", nil, caseDown},
	{"delay, slow node and hang", nil, caseSlow},
	{"unscheduled pod is 204", nil, caseUnscheduled},
	{"waiting container is 400", nil, caseWaiting},
	{"crash loop keeps one dead instance", nil, caseCrashLoop},
	{"pod replaced under the same name", nil, caseReplaced},
	{"eviction removes the log", nil, caseEvicted},
	{"statuses", nil, caseStatuses},
}

func TestTransport(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := New(t, nil, "node-a", c.opts...)
			client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://node", Transport: k.Transport(), QPS: -1})
			if err != nil {
				t.Fatal(err)
			}
			c.run(&bed{t: t, k: k, client: client, ns: "jobs"})
		})
	}
}

// start is the time of a case's first record.
var start = time.Date(2026, 11, 23, 10, 0, 0, 250_000_000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

func stamp(d time.Duration) string { return at(d).Format(timeFormat) }

func sinceTime(at time.Time) *metav1.Time { return &metav1.Time{Time: at} }

var following = corev1.PodLogOptions{Follow: true}

// running makes a pod "p" with one running container.
func (b *bed) running() *Instance {
	b.t.Helper()
	return b.k.Pod(b.ns, Spec{Name: "p"}).Start("main")
}

func (b *bed) open(opts corev1.PodLogOptions) io.ReadCloser {
	b.t.Helper()
	body, err := b.client.CoreV1().Pods(b.ns).GetLogs("p", &opts).Stream(b.t.Context())
	if err != nil {
		b.t.Fatalf("open log: %v", err)
	}
	b.t.Cleanup(func() { _ = body.Close() })
	return body
}

// follow opens a following reader of lines.
func (b *bed) follow() *bufio.Reader {
	b.t.Helper()
	return bufio.NewReader(b.open(following))
}

func (b *bed) read(opts corev1.PodLogOptions) string {
	b.t.Helper()
	return b.rest(b.open(opts))
}

// rest reads to the end, which must be a clean one.
func (b *bed) rest(r io.Reader) string {
	b.t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatalf("read log: %v", err)
	}
	return string(text)
}

func (b *bed) next(r *bufio.Reader) string {
	b.t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		b.t.Fatalf("read line: %v", err)
	}
	return line
}

func (b *bed) want(what, got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// settled waits until a follower of the instance waits for news.
func (b *bed) settled(c *Instance) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	if err := c.WaitFollowed(ctx, 1); err != nil {
		b.t.Fatal(err)
	}
}

// status returns the HTTP status and the error of a log request.
func (b *bed) status(opts corev1.PodLogOptions) (int, error) {
	b.t.Helper()
	var code int
	r := b.client.CoreV1().Pods(b.ns).GetLogs("p", &opts).Do(b.t.Context()).StatusCode(&code)
	return code, r.Error()
}

func TestHealthz(t *testing.T) {
	k := New(t, nil, "node-a")
	w := httptest.NewRecorder()
	k.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if got, want := w.Body.String(), "ok"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
