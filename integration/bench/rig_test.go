//go:build integration && bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

const (
	bucket    = "archive"
	region    = "us-east-1"
	accessKey = "bench-access"
	secretKey = "bench-secret-key"
)

// rig is a namespace with a Job, a fake node, an S3 server, and the daemon over them.
type rig struct {
	b          *testing.B
	ns         string
	node       *kubelet.Kubelet
	job        *batchv1.Job
	kubeconfig string
	endpoint   string // of the S3 server
	kept       string // folder of the archive
	metrics    string // URL
	pprof      string // URL; "" without -profiles
	daemon     *process
}

// newRig starts everything. Settings are flags of the daemon that differ from the default.
func newRig(b *testing.B, node []kubelet.Option, settings ...string) *rig {
	b.Helper()
	r := &rig{b: b, ns: plane.Namespace(b), kubeconfig: plane.KubeconfigFile(b)}
	r.node = kubelet.New(b, plane.Client(), "node-"+r.ns, node...)
	r.job = r.newJob()
	r.startStore()
	r.startDaemon(settings)
	return r
}

func (r *rig) newJob() *batchv1.Job {
	parallelism := int32(0)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "job"},
		Spec: batchv1.JobSpec{Parallelism: &parallelism, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "registry.example/main:1"}},
		}}},
	}
	made, err := plane.Client().BatchV1().Jobs(r.ns).Create(r.b.Context(), job, metav1.CreateOptions{})
	if err != nil {
		r.b.Fatal(err)
	}
	return made
}

func (r *rig) startStore() {
	root := r.b.TempDir()
	buckets := filepath.Join(root, "buckets")
	r.kept = filepath.Join(buckets, bucket, "kept")
	for _, dir := range []string{filepath.Join(buckets, bucket), filepath.Join(root, "sidecar")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			r.b.Fatal(err)
		}
	}
	address := freeAddress(r.b)
	r.endpoint = "http://" + address
	cmd := exec.Command(os.Getenv(gateway.EnvProgram), "--port", address, "--region", region, "--quiet", "--keep-alive",
		"posix", "--sidecar", filepath.Join(root, "sidecar"), buckets)
	p := startProcess(r.b, []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}, cmd)
	p.await(r.b, "the S3 server", 20*time.Millisecond, 30*time.Second, func() bool {
		_, err := get(r.endpoint)
		return err == nil
	})
}

// storeEnv has programs that use the AWS SDK reach the S3 server.
func storeEnv() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

func (r *rig) startDaemon(settings []string) {
	health, metrics := freeAddress(r.b), freeAddress(r.b)
	r.metrics = "http://" + metrics + "/metrics"
	env := storeEnv()
	if *profiles != "" {
		address := freeAddress(r.b)
		r.pprof = "http://" + address + "/debug/pprof/"
		env = append(env, "BENCH_PPROF="+address)
	}
	args := []string{
		"--kubeconfig", r.kubeconfig, "--namespace", r.ns, "--archive", "s3://" + bucket + "/kept", "--s3-endpoint", r.endpoint,
		"--s3-region", region, "--spool-dir", filepath.Join(r.b.TempDir(), "spool"), "--spool-limit", "8Gi",
		"--health-listen", health, "--metrics-listen", metrics, "--api-listen", freeAddress(r.b),
	}
	r.daemon = startProcess(r.b, env, reader(program, append(args, settings...)...))
	r.daemon.await(r.b, "the daemon", 50*time.Millisecond, time.Minute, func() bool {
		return r.metric("epilogue_informer_synced") == 1 && r.metric("epilogue_store_up") == 1
	})
}

// metric reads a metric of the daemon; 0 while it does not answer.
func (r *rig) metric(name string) float64 {
	page, err := get(r.metrics)
	if err != nil {
		return 0
	}
	return metric(page, name)
}

// profile profiles the daemon for so long, where profiles are asked for. The returned function waits for the end.
func (r *rig) profile(name string, d time.Duration) (wait func()) {
	if r.pprof == "" {
		return func() {}
	}
	done := make(chan error, 1)
	go func() {
		text, err := get(fmt.Sprintf("%sprofile?seconds=%d", r.pprof, int(d.Seconds())))
		done <- errors.Join(err, os.WriteFile(filepath.Join(*profiles, name+".pprof"), text, 0o600))
	}()
	return func() {
		if err := <-done; err != nil {
			r.b.Error(err)
		}
	}
}

// dumpHeap writes a heap profile, where profiles are asked for.
func (r *rig) dumpHeap() {
	if r.pprof == "" {
		return
	}
	for _, name := range []string{"heap", "goroutine"} {
		text, err := get(r.pprof + name)
		if err := errors.Join(err, os.WriteFile(filepath.Join(*profiles, name+".pprof"), text, 0o600)); err != nil {
			r.b.Error(err)
		}
	}
}

// pod makes a pod of the Job, named as its controller names them.
func (r *rig) pod() *kubelet.Pod {
	return r.node.Pod(r.ns, kubelet.Spec{Job: r.job, Edit: func(pod *corev1.Pod) { pod.GenerateName = "job-" }})
}

// manifest returns the path of a pod's manifest.
func (r *rig) manifest(p *kubelet.Pod) string {
	return filepath.Join(r.kept, "v1", r.ns, r.job.Name, string(r.job.UID), p.Name()+"."+string(p.UID()), "manifest.json")
}

// sealed waits until a pod's manifest is in the store and returns when it was written.
func (r *rig) sealed(p *kubelet.Pod, limit time.Duration) time.Time {
	r.b.Helper()
	var at time.Time
	r.daemon.await(r.b, "the manifest of "+p.Name(), 5*time.Millisecond, limit, func() bool {
		stat, err := os.Stat(r.manifest(p))
		if err == nil {
			at = stat.ModTime()
		}
		return err == nil
	})
	return at
}

// followed waits until the daemon follows the instance.
func (r *rig) followed(c *kubelet.Instance) {
	r.b.Helper()
	ctx, cancel := context.WithTimeout(r.b.Context(), time.Minute)
	defer cancel()
	if err := c.WaitFollowed(ctx, 1); err != nil {
		r.b.Fatal(err)
	}
}

// median returns the middle of the values, and quantile any other place.
func median(values []float64) float64 { return quantile(values, 0.5) }

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
