package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// beside names an object that belongs to one Job alone. Chance keeps it apart from that of an earlier Job of the name,
// which may be on its way out.
func beside(job, what string) string {
	return job + "-" + what + "-" + strings.ToLower(rand.Text()[:6])
}

// launch creates the Job, then what it needs, then says that it may start. A crash in between leaves a Job that does
// not start and that nobody but its caller can complete; the caller's next try finds it under its name and goes on.
func (l *Launcher) launch(ctx context.Context, d draft, provide func(*batchv1.Job) error) (Ref, error) {
	kind := d.identity.Kind
	job, result, err := l.create(ctx, &d)
	if err == nil && job.Annotations[preparedAt] == "" && settled(job) == "" {
		if err = provide(job); err == nil {
			err = l.kube.Patch(ctx, anyVersion(job), change{notes: map[string]string{preparedAt: "true"}})
		}
	}
	switch {
	case errors.Is(err, ErrFull) || errors.Is(err, ErrInvalid):
		return l.count(kind, "refused", Ref{}, err)
	case err != nil:
		return l.count(kind, "failed", Ref{}, err)
	}
	l.parts.Log.Info("Job is launched", "job", job.Name, "kind", string(kind), "result", result)
	return l.count(kind, result, Ref{Name: job.Name, UID: job.UID, Image: job.Annotations[imageName]}, nil)
}

// create returns the Job of the draft: the one that is there already, or a new one.
func (l *Launcher) create(ctx context.Context, d *draft) (job *batchv1.Job, result string, err error) {
	name := d.identity.jobName()
	if job := l.parts.Cache.Job(name); job != nil {
		return job, "known", nil
	}
	release := l.inFlight.add()
	defer release()
	q := l.keeper.view(l.parts.Cache.Jobs())
	if waiting := q.waiting(); waiting+l.inFlight.value() > l.cfg.Limits.Queued {
		// That the cache does not show it is no proof that it is not there, and a repeated request is never refused.
		if job, err := l.kube.Job(ctx, name); job != nil || err != nil {
			return job, "known", err
		}
		return nil, "", fmt.Errorf("%w: %d Jobs wait, want at most %d", ErrFull, waiting, l.cfg.Limits.Queued)
	}
	server, err := l.serverVersion()
	if err != nil {
		return nil, "", err
	}
	d.asked, d.attempt = time.Now(), attempts(q, d.identity)+1
	d.prepared = d.notes[environment] == "" && d.notes[contents] == ""
	wanted, err := l.cfg.Shape.job(*d, server)
	if err != nil {
		return nil, "", err
	}
	created, err := l.kube.create(ctx, wanted)
	if !apierrors.IsAlreadyExists(err) {
		return created, "created", err
	}
	if job, err = l.kube.Job(ctx, name); err == nil && job == nil {
		err = fmt.Errorf("create Job %s: it was there and is gone; try again", name)
	}
	return job, "known", err
}

// attempts returns the highest attempt among the workload's Jobs of this kind that are there.
func attempts(q queue, i identity) int {
	most := 0
	for _, job := range q.jobs {
		if job.Labels[mark.WorkloadID] != i.Workload || kindOf(job) != i.Kind {
			continue
		}
		if n, err := strconv.Atoi(job.Labels[mark.Attempt]); err == nil {
			most = max(most, n)
		}
	}
	return most
}

func (k kube) create(ctx context.Context, job *batchv1.Job) (*batchv1.Job, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	created, err := k.client.BatchV1().Jobs(k.namespace).Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create Job %s: %w", job.Name, err)
	}
	return created, nil
}

// putEnvironment keeps the environment in the Secret that the Job names. It goes when the Job goes. Where it is there
// already, a request that was cut off has put it.
func (k kube) putEnvironment(ctx context.Context, job *batchv1.Job, values map[string]string) error {
	return k.putSecret(ctx, &corev1.Secret{
		ObjectMeta: k.belongings(job, job.Annotations[environment]), StringData: values, Immutable: new(true), Type: corev1.SecretTypeOpaque,
	})
}

// putLogin keeps a builder's login in the same way.
func (k kube) putLogin(ctx context.Context, job *batchv1.Job, login []byte) error {
	return k.putSecret(ctx, &corev1.Secret{
		ObjectMeta: k.belongings(job, job.Annotations[environment]), Immutable: new(true),
		Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: login},
	})
}

func (k kube) putSecret(ctx context.Context, secret *corev1.Secret) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	_, err := k.client.CoreV1().Secrets(k.namespace).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	return nil
}

// putDockerfile keeps the Dockerfile in the ConfigMap that the Job names.
func (k kube) putDockerfile(ctx context.Context, job *batchv1.Job, text string) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	name := job.Annotations[contents]
	_, err := k.client.CoreV1().ConfigMaps(k.namespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: k.belongings(job, name), Data: map[string]string{"Dockerfile": text}, Immutable: new(true),
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create ConfigMap %s: %w", name, err)
	}
	return nil
}

// belongings marks an object as the Job's. It does not hold up the Job's deletion: that would take a right of its own.
func (k kube) belongings(job *batchv1.Job, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: k.namespace,
		Labels:          map[string]string{mark.WorkloadID: job.Labels[mark.WorkloadID], mark.Kind: job.Labels[mark.Kind]},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID}},
	}
}

// counter counts what is under way.
type counter struct{ n atomic.Int64 }

func (c *counter) add() (release func()) {
	c.n.Add(1)
	return func() { c.n.Add(-1) }
}

func (c *counter) value() int { return int(c.n.Load()) }
