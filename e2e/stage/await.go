package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/watch"

	"github.com/epilogue-dev/epilogue/archive"
)

// AwaitPod watches the pods of a Job until one of them fulfils the condition, and returns it. A pod that was deleted is
// shown in its last state.
func (s *Stage) AwaitPod(ctx context.Context, job string, until func(*corev1.Pod) bool) (*corev1.Pod, error) {
	return s.awaitPod(ctx, s.Jobs, "job-name="+job, until)
}

func (s *Stage) awaitPod(ctx context.Context, namespace, selector string, until func(*corev1.Pod) bool) (*corev1.Pod, error) {
	pods := s.Client.CoreV1().Pods(namespace)
	var last *corev1.Pod
	_, err := watch.UntilWithSync(ctx, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return pods.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = selector
			return pods.Watch(ctx, o)
		},
	}, &corev1.Pod{}, nil, func(e apiwatch.Event) (bool, error) {
		pod, ok := e.Object.(*corev1.Pod)
		if !ok {
			return false, nil
		}
		last = pod
		return until(pod), nil
	})
	if err != nil {
		return last, fmt.Errorf("wait for a pod of %s: %w; last seen: %s", selector, err, Describe(last))
	}
	return last, nil
}

// Running reports whether the pod's containers run.
func Running(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }

// Over reports whether no container of the pod will run again.
func Over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Describe says in a line how a pod is.
func Describe(p *corev1.Pod) string {
	if p == nil {
		return "none"
	}
	parts := []string{fmt.Sprintf("%s %s %s", p.Name, p.Status.Phase, p.Status.Reason)}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		parts = append(parts, fmt.Sprintf("%s restarts=%d %s", c.Name, c.RestartCount, c.State.String()))
	}
	return strings.Join(parts, "; ")
}

// AwaitManifests asks the bucket until it holds n manifests of the Job, and returns them in the order of their keys. S3
// has nothing to watch.
func (s *Stage) AwaitManifests(ctx context.Context, job string, n int) ([]*archive.Manifest, error) {
	var found []*archive.Manifest
	err := await(ctx, fmt.Sprintf("%d manifests of Job %s", n, job), func() (bool, error) {
		var err error
		found, err = s.Manifests(ctx, job)
		return err == nil && len(found) >= n, err
	})
	return found, err
}

// AwaitObject asks the bucket until it holds the key.
func (s *Stage) AwaitObject(ctx context.Context, key archive.Key) error {
	return await(ctx, "object "+string(key), func() (bool, error) {
		body, _, err := s.Store.Get(ctx, key, archive.Range{})
		if err != nil {
			return false, err
		}
		return true, body.Close()
	})
}

// Manifests returns those of the Job that are in the bucket.
func (s *Stage) Manifests(ctx context.Context, job string) ([]*archive.Manifest, error) {
	var found []*archive.Manifest
	for object, err := range s.Store.List(ctx, fmt.Sprintf("v1/%s/%s/", s.Jobs, job), "") {
		if err != nil {
			return found, err
		}
		if !strings.HasSuffix(string(object.Key), "/manifest.json") {
			continue
		}
		m, err := s.manifest(ctx, object.Key)
		if err != nil {
			return found, err
		}
		found = append(found, m)
	}
	return found, nil
}

func (s *Stage) manifest(ctx context.Context, key archive.Key) (*archive.Manifest, error) {
	body, _, err := s.Store.Get(ctx, key, archive.Range{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return archive.ReadManifest(body)
}

// Logs returns what kubectl logs prints for a pod.
func (s *Stage) Logs(ctx context.Context, pod string, args ...string) (string, error) {
	return s.kubectl(ctx, "", append([]string{"-n", s.Jobs, "logs", pod}, args...)...)
}

// AwaitNoPod waits until a pod has left the API server.
func (s *Stage) AwaitNoPod(ctx context.Context, pod string) error {
	return await(ctx, "the end of pod "+pod, func() (bool, error) {
		_, err := s.Client.CoreV1().Pods(s.Jobs).Get(ctx, pod, metav1.GetOptions{})
		return gone(err)
	})
}

// AwaitOutput asks for what the daemon has written until one line holds all the words, and returns that line.
func (s *Stage) AwaitOutput(ctx context.Context, words ...string) (string, error) {
	found := ""
	err := await(ctx, fmt.Sprintf("a line of the daemon with %q", words), func() (bool, error) {
		text, err := s.Output(ctx)
		for line := range strings.Lines(text) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				found = line
				return true, nil
			}
		}
		return false, err
	})
	return found, err
}

// AwaitEvent asks for the Events of an object in the Jobs' namespace until there is one of that reason.
func (s *Stage) AwaitEvent(ctx context.Context, object, reason string) (*corev1.Event, error) {
	var found *corev1.Event
	err := await(ctx, "Event "+reason+" of "+object, func() (bool, error) {
		list, err := s.Client.CoreV1().Events(s.Jobs).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + object + ",reason=" + reason})
		if err != nil || len(list.Items) == 0 {
			return false, err
		}
		found = &list.Items[0]
		return true, nil
	})
	return found, err
}

// AwaitRemoved waits until the namespaces of a Stage are gone.
func AwaitRemoved(ctx context.Context, client kubernetes.Interface, namespace string) error {
	for _, name := range []string{namespace, namespace + "-jobs"} {
		err := await(ctx, "the end of namespace "+name, func() (bool, error) {
			_, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			return gone(err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func gone(err error) (bool, error) {
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// await asks again and again until the answer is yes; an error is asked again, too.
func await(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		yes, err := done()
		if yes {
			return nil
		}
		if ctx.Err() == nil {
			last = err // an error at the very end is the end's
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, errors.Join(ctx.Err(), last))
		}
	}
}

// AwaitReady waits until a pod of the daemon's namespace is ready.
func (s *Stage) AwaitReady(ctx context.Context, selector string) error {
	_, err := s.awaitPod(ctx, s.Namespace, selector, func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
	})
	return err
}
