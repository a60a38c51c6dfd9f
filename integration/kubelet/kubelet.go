// Package kubelet is a fake node: an HTTPS server and a Node object that serve container logs as the real kubelet and
// containerd do, driven by a script. It owns the model of pods, container instances and log files, and plays faults on
// request.
//
// What it promises: the log API's real semantics, the unpleasant ones included. Only the current file can be read; a
// follow skips files that came and went while it was slow, and hears nothing of a rotation before its first end of
// file; since is an inclusive filter from the file's start; errors are text in an answer of status 200; a dead
// container's log is gone once its successor died. The model keeps every record and whether it was ever served, for a
// test to compare with. Nothing survives the test.
//
// With a client the pods and their statuses are written to an API server, which proxies the log requests to here.
// Without one, Transport answers in the API server's place, in the same process and also in a synctest bubble.
package kubelet

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
)

// scheme stands before every container ID.
const scheme = "containerd://"

// Kubelet is one fake node. All methods may be called at once from many goroutines.
type Kubelet struct {
	t      testing.TB
	client kubernetes.Interface // nil: no API server
	node   string
	opts   options
	server *server // nil: no API server

	mu      sync.Mutex
	pods    map[podName]*Pod     // the newest pod of each name; guarded by mu
	faults  []*Fault             // guarded by mu
	streams map[*stream]struct{} // open answers; guarded by mu
	down    bool                 // refuses connections; guarded by mu
	watches int                  // followers that hold an inotify instance; guarded by mu
	serial  int                  // of generated names and IDs; guarded by mu

	opened, follow, since, tail, limit, previous, bytes atomic.Int64
}

type podName struct{ namespace, name string }

type options struct {
	zone        *time.Location
	shortTimes  bool
	stampAll    bool
	forceCheck  time.Duration
	streamLimit time.Duration
	maxWatches  int
	clock       func() time.Time
	rotateAt    int64
	stopAfter   time.Duration
	linger      time.Duration
}

// Option changes how the node behaves.
type Option func(*options)

// Zone sets the zone in which the node prints times. Default: UTC.
func Zone(z *time.Location) Option { return func(o *options) { o.zone = z } }

// ShortTimes makes the node print times without zeros at the end, as old kubelets do.
func ShortTimes() Option { return func(o *options) { o.shortTimes = true } }

// StampRecords makes the node print a time before each record of a line, as kubelets before 1.24.8 and 1.25.4 do.
func StampRecords() Option { return func(o *options) { o.stampAll = true } }

// ForceCheck sets how long after a container's end its followers learn of it. The real kubelet takes up to 1 s.
// Default: 20 ms.
func ForceCheck(d time.Duration) Option { return func(o *options) { o.forceCheck = d } }

// StreamLimit sets how long a stream may live before the kubelet breaks it. Default: 4 h, as in the real one.
func StreamLimit(d time.Duration) Option { return func(o *options) { o.streamLimit = d } }

// MaxWatches sets how many followers the node has inotify instances for; the others get an error as text after what
// the file holds. Default: no limit.
func MaxWatches(n int) Option { return func(o *options) { o.maxWatches = n } }

// Clock sets the node's clock, from which sinceSeconds counts. Default: time.Now.
func Clock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

// RotateAt makes every log rotate when its file reaches size bytes. Default: rotation only by script.
func RotateAt(size int64) Option { return func(o *options) { o.rotateAt = size } }

// StopAfter sets how long Run gives the containers of a deleted pod to end. Default: 50 ms.
func StopAfter(d time.Duration) Option { return func(o *options) { o.stopAfter = d } }

// Linger sets how long Run keeps the logs of a pod that was deleted while it ran, after its end. The real kubelet takes
// about 1 s. Default: 200 ms.
func Linger(d time.Duration) Option { return func(o *options) { o.linger = d } }

// New starts a fake node. With a client it serves HTTPS on a free port of 127.0.0.1 and creates the Node object; with
// nil only Transport and ServeHTTP reach it. It ends with the test.
func New(t testing.TB, client kubernetes.Interface, node string, opts ...Option) *Kubelet {
	t.Helper()
	k := &Kubelet{
		t: t, client: client, node: node,
		pods:    map[podName]*Pod{},
		streams: map[*stream]struct{}{},
		opts: options{
			zone: time.UTC, forceCheck: 20 * time.Millisecond, streamLimit: 4 * time.Hour, clock: time.Now,
			stopAfter: 50 * time.Millisecond, linger: 200 * time.Millisecond,
		},
	}
	for _, o := range opts {
		o(&k.opts)
	}
	t.Cleanup(k.end)
	if client == nil {
		return k
	}
	k.server = listen(t, k)
	k.register()
	return k
}

// Counters are what the node has seen so far.
type Counters struct {
	Open                                 int   // streams open now
	Opened                               int64 // log requests in all
	Follow, Since, Tail, Limit, Previous int64 // requests that asked for each of them
	Bytes                                int64 // bytes of log served
}

// Counters returns the counters of this moment.
func (k *Kubelet) Counters() Counters {
	k.mu.Lock()
	open := len(k.streams)
	k.mu.Unlock()
	return Counters{
		Open: open, Opened: k.opened.Load(), Follow: k.follow.Load(), Since: k.since.Load(), Tail: k.tail.Load(),
		Limit: k.limit.Load(), Previous: k.previous.Load(), Bytes: k.bytes.Load(),
	}
}

// KillStreams breaks every open stream, as a restart of the kubelet does. Clients of the API server see a clean end.
func (k *Kubelet) KillStreams() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for s := range k.streams {
		s.kill()
	}
}

// end ends what the node has running on its own: the streams, and the timers of pods' deadlines.
func (k *Kubelet) end() {
	k.KillStreams()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		p.stopTimer()
	}
}

// Down makes the node refuse connections and breaks the open ones, until Up.
func (k *Kubelet) Down() {
	k.mu.Lock()
	k.down = true
	k.mu.Unlock()
	k.KillStreams()
	if k.server != nil {
		k.server.stop()
	}
}

// Up ends Down. The containers' logs are as they were.
func (k *Kubelet) Up() {
	k.mu.Lock()
	k.down = false
	k.mu.Unlock()
	if k.server != nil {
		k.server.start(k.t)
	}
}

// lookup returns the newest pod of that name, nil where there is none.
func (k *Kubelet) lookup(namespace, name string) *Pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pods[podName{namespace, name}]
}

func (k *Kubelet) now() time.Time { return k.opts.clock() }

func (k *Kubelet) nextSerial() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.serial++
	return k.serial
}

func (k *Kubelet) takeWatch() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opts.maxWatches > 0 && k.watches >= k.opts.maxWatches {
		return errWatchLimit
	}
	k.watches++
	return nil
}

func (k *Kubelet) giveWatch() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watches--
}

var _ http.Handler = (*Kubelet)(nil)
