package cleanup

import (
	"context"
	"errors"
	"fmt"
	"io"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/pages"
)

// Releaser takes the gate off Jobs and pods because a person says so, or because Epilogue goes; the janitor does it
// where the logs are safe. It asks no store: what it frees may be lost, and it says of each whether it was archived.
//
// Each object is freed by one patch that checks the object's UID and that the finalizer is where it was seen; after a
// crash the next run goes on. Of rights it needs list and patch of Jobs and pods.
type Releaser struct {
	cfg    ReleaseConfig
	client kubernetes.Interface
	out    io.Writer
}

// ReleaseConfig says how Jobs and pods are freed.
type ReleaseConfig struct {
	Namespace string
	DryRun    bool // only say what would be done
	// ForGood is for an Epilogue that goes: a TTL that was taken over goes back to Kubernetes. Where it is false the
	// Job is marked, so that the gate is not put on it again.
	ForGood bool
}

// ErrNoJob means that the namespace has no Job of a name.
var ErrNoJob = errors.New("no such Job")

// NewReleaser makes a Releaser that tells on out what it does, a line for each object.
func NewReleaser(cfg ReleaseConfig, client kubernetes.Interface, out io.Writer) *Releaser {
	return &Releaser{cfg: cfg, client: client, out: out}
}

const releasePasses = 10

// Job frees one Job and its pods, and what pods are left of others that had its name.
func (r *Releaser) Job(ctx context.Context, name string) error {
	jobs := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
	found, err := r.client.BatchV1().Jobs(r.cfg.Namespace).List(ctx, jobs)
	if err != nil {
		return fmt.Errorf("find Job %s/%s: %w", r.cfg.Namespace, name, err)
	}
	left, err := r.left(ctx, name, found.Items)
	if err != nil {
		return err
	}
	if len(found.Items) == 0 {
		if left > 0 {
			return nil
		}
		return fmt.Errorf("job %s/%s: %w", r.cfg.Namespace, name, ErrNoJob)
	}
	selector, err := selectorOf(&found.Items[0])
	if err != nil {
		return fmt.Errorf("read selector of Job %s/%s: %w", r.cfg.Namespace, name, err)
	}
	freed, err := r.passes(ctx, jobs, metav1.ListOptions{LabelSelector: selector}, found.Items[0].UID)
	if err != nil || freed > 0 {
		return err
	}
	fmt.Fprintf(r.out, "job/%s does not carry the gate\n", name)
	if r.cfg.DryRun {
		return nil
	}
	return r.mark(ctx, &found.Items[0]) // it keeps off the gate that is about to be put on
}

// All frees every Job and every pod of the namespace that carries the gate, whatever the selection is now: it may have
// been another one when the gate was put on. It says how many these were.
func (r *Releaser) All(ctx context.Context) (int, error) {
	return r.passes(ctx, metav1.ListOptions{}, metav1.ListOptions{}, "")
}

// passes repeats until a pass finds nothing: what has changed between its listing and its patch is left to the next
// one. Of the pods those of one Job alone are meant, where one is named: a selector of its own may pick others' pods,
// too.
func (r *Releaser) passes(ctx context.Context, jobs, pods metav1.ListOptions, of types.UID) (freed int, err error) {
	for range releasePasses {
		n, err := r.pass(ctx, jobs, pods, of)
		freed += n
		if err != nil || n == 0 || r.cfg.DryRun {
			return freed, err
		}
	}
	return freed, fmt.Errorf("release Jobs of %s: %d times there were new ones; does a daemon or an admission policy put the gate on again", r.cfg.Namespace, releasePasses)
}

func (r *Releaser) pass(ctx context.Context, jobs, pods metav1.ListOptions, of types.UID) (freed int, err error) {
	for job, err := range pages.Jobs(ctx, r.client, r.cfg.Namespace, jobs) {
		if err != nil {
			return freed, fmt.Errorf("list Jobs of %s: %w", r.cfg.Namespace, err)
		}
		done, err := r.job(ctx, job)
		if err != nil {
			return freed, err
		}
		freed += done
	}
	for pod, err := range pages.Pods(ctx, r.client, r.cfg.Namespace, pods) {
		if err != nil {
			return freed, fmt.Errorf("list pods of %s: %w", r.cfg.Namespace, err)
		}
		if of != "" && !belongs(pod, of) {
			continue
		}
		done, err := r.pod(ctx, pod)
		if err != nil {
			return freed, err
		}
		freed += done
	}
	return freed, nil
}

// job frees a Job that carries the gate, and returns 1 then.
func (r *Releaser) job(ctx context.Context, job *batchv1.Job) (int, error) {
	patch := openGate(job.ObjectMeta)
	if r.cfg.ForGood {
		patch = append(patch, giveBack(job)...)
	}
	if len(patch) == 0 {
		return 0, nil
	}
	archived := "its logs are not archived"
	if verdict := job.Annotations[mark.Verdict]; verdict != "" {
		archived = "its logs are archived, verdict " + verdict
	}
	if r.cfg.DryRun {
		fmt.Fprintf(r.out, "job/%s would be released; %s\n", job.Name, archived)
		return 1, nil
	}
	err := r.mark(ctx, job)
	if err == nil {
		err = r.patch(ctx, job, patch)
	}
	if gone, err := settled(err); gone || err != nil {
		return 1, wrapped(err, "Job", job.ObjectMeta)
	}
	fmt.Fprintf(r.out, "job/%s released; %s\n", job.Name, archived)
	return 1, nil
}

// pod frees a pod that carries the gate, and returns 1 then.
func (r *Releaser) pod(ctx context.Context, pod *corev1.Pod) (int, error) {
	patch := openGate(pod.ObjectMeta)
	if len(patch) == 0 {
		return 0, nil
	}
	if r.cfg.DryRun {
		fmt.Fprintf(r.out, "pod/%s would be released\n", pod.Name)
		return 1, nil
	}
	if gone, err := settled(r.patch(ctx, pod, patch)); gone || err != nil {
		return 1, wrapped(err, "pod", pod.ObjectMeta)
	}
	fmt.Fprintf(r.out, "pod/%s released\n", pod.Name)
	return 1, nil
}

// settled takes an answer that says that the object is another one than was listed. The next pass sees what it is now.
func settled(err error) (gone bool, _ error) {
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
		return true, nil
	}
	return false, err
}

func wrapped(err error, kind string, meta metav1.ObjectMeta) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("release %s %s/%s: %w", kind, meta.Namespace, meta.Name, err)
}
