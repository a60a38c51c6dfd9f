//go:build integration

package integration

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/integration/controlplane"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/follow"
)

// patience bounds every wait of a test.
const patience = 60 * time.Second

var nodes atomic.Int64

// setting says how a rig differs from the usual one. The zero value is usual.
type setting struct {
	plane  *controlplane.ControlPlane // nil: the shared one
	store  archive.Store              // nil: a strict one in memory
	node   []kubelet.Option
	follow func(*follow.Config)
	spool  func(*spool.Config)
	quiet  bool // the daemon's log is not kept

	patience time.Duration // of the whole test; 0: the usual one

	cleanup   *config.Cleanup                           // nil: no janitor
	launching *launching                                // nil: no launcher
	wrap      func(http.RoundTripper) http.RoundTripper // what is between the daemon and the API server; nil: nothing
}

// rig is a namespace with a Job in it, a fake node, a store that can break, and a daemon over them.
type rig struct {
	t     *testing.T
	set   setting
	ctx   context.Context // ends before the test's processes do
	ns    string
	node  *kubelet.Kubelet
	job   *batchv1.Job
	store *storetest.Faulty
	codec *format.Codec

	spoolDir string
	lives    int
	daemon   *daemon // nil: none runs
}

// newRig makes the rig; the daemon runs after start.
func newRig(t *testing.T, set setting) *rig {
	t.Helper()
	if set.plane == nil {
		set.plane = plane
	}
	if set.store == nil {
		set.store = storetest.NewMemory(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(set.patience, patience))
	t.Cleanup(cancel)
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, set: set, ctx: ctx, ns: set.plane.Namespace(t), store: &storetest.Faulty{Store: set.store}, codec: codec,
		spoolDir: filepath.Join(t.TempDir(), "spool-0"),
	}
	r.node = kubelet.New(t, set.plane.Client(), fmt.Sprintf("node-%d", nodes.Add(1)), set.node...)
	r.job = r.newJob("job")
	t.Cleanup(r.stop)
	return r
}

// newJob makes a Job. No controller runs: its pods are made by the script.
func (r *rig) newJob(name string) *batchv1.Job {
	r.t.Helper()
	parallelism := int32(0)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: batchv1.JobSpec{Parallelism: &parallelism, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
		}}},
	}
	made, err := r.set.plane.Client().BatchV1().Jobs(r.ns).Create(r.ctx, job, metav1.CreateOptions{})
	if err != nil {
		r.t.Fatalf("create Job: %v", err)
	}
	return made
}

// pod makes a pod of the Job.
func (r *rig) pod(spec kubelet.Spec) *kubelet.Pod {
	r.t.Helper()
	if spec.Job == nil {
		spec.Job = r.job
	}
	if spec.Name == "" && spec.Edit == nil {
		spec.Edit = func(pod *corev1.Pod) { pod.GenerateName = r.job.Name + "-" } // as a Job's controller does
	}
	return r.node.Pod(r.ns, spec)
}

// running makes a pod of one container and starts it.
func (r *rig) running() (*kubelet.Pod, *kubelet.Instance) {
	r.t.Helper()
	p := r.pod(kubelet.Spec{})
	return p, p.Start("main")
}

// started starts the daemon and one pod, and returns when its log is followed.
func started(t *testing.T, set setting) (*rig, *kubelet.Pod, *kubelet.Instance) {
	t.Helper()
	r := newRig(t, set)
	r.start()
	p, c := r.running()
	r.followed(c)
	return r, p, c
}

// followed waits until the daemon follows the instance and has all that is there.
func (r *rig) followed(c *kubelet.Instance) {
	r.t.Helper()
	if err := c.WaitFollowed(r.ctx, 1); err != nil {
		r.t.Fatal(err)
	}
}

// await waits until something holds.
func (r *rig) await(what string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.t.Fatalf("waited for %s: %v", what, r.ctx.Err())
		}
	}
}

// freeze takes the spool's folder away from the daemon and tells it to end: the instant of a crash. The next start
// takes up the folder as it was then. A write that was under way may be torn, as in a real crash. It may be called from
// the daemon's own goroutines; crash or stop must follow.
func (r *rig) freeze() {
	r.lives++
	next := filepath.Join(filepath.Dir(r.spoolDir), fmt.Sprintf("spool-%d", r.lives))
	if err := os.Rename(r.spoolDir, next); err != nil {
		r.t.Error(err)
	}
	r.spoolDir = next
	r.daemon.cancel()
}

// crash ends the daemon without its leave.
func (r *rig) crash() {
	r.freeze()
	r.stop()
}

// restart is a crash and the next start.
func (r *rig) restart() {
	r.t.Helper()
	r.crash()
	r.start()
}

// stop ends the daemon gently.
func (r *rig) stop() {
	if r.daemon == nil {
		return
	}
	r.daemon.stop()
	if r.t.Failed() && !r.set.quiet {
		r.t.Logf("the daemon's log:\n%s", r.daemon.said)
	}
	r.daemon = nil
}

// spoken keeps what a daemon logs.
type spoken struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

func (s *spoken) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
