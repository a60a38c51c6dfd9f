package cleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"

	"github.com/epilogue-dev/epilogue/mark"
)

// parentLook is how often it is asked whether a parent of a Job is being deleted. Nothing tells: a foreground deletion
// of the parent waits for its Jobs, the garbage collector deletes those in the foreground, too, the API server refuses
// that while the gate is on, and only the controller manager's log shows it.
const parentLook = time.Minute

// heed deletes a Job that carries the gate in the background where a parent of it is being deleted in the foreground,
// which would otherwise wait for as long as the Job runs. The gate holds the Job: its pods are ended gently, it is
// sealed and let go as after any deletion. Of parents other than CronJobs the daemon may ask only where somebody has
// given it the right to.
func (j *Janitor) heed(ctx context.Context, job types.UID, f Facts) error {
	if f.Job == nil || f.Job.DeletionTimestamp != nil || !has(f.Job.Finalizers, mark.Finalizer) || !j.cfg.Acts() {
		return nil
	}
	parents := slices.DeleteFunc(slices.Clone(f.Job.OwnerReferences), func(o metav1.OwnerReference) bool { return !j.parents.mayAsk(o, time.Now()) })
	if len(parents) == 0 {
		return nil
	}
	j.seen.AddAfter(job, parentLook)
	parent, err := j.fading(ctx, f.Job.Namespace, parents)
	if err != nil || parent == nil {
		return err
	}
	_, err = j.once(job, f.Job, func() (bool, error) {
		now, ok, err := j.ours(ctx, f, nil, true)
		ok = ok && has(now.Job.Finalizers, mark.Finalizer) && now.Job.DeletionTimestamp == nil
		if ok && err == nil {
			err = j.follow(ctx, now, parent.Kind+" "+parent.Name)
		}
		return ok, err
	})
	return err
}

// fading returns the first of the parents that is being deleted in the foreground, nil where none is.
func (j *Janitor) fading(ctx context.Context, namespace string, parents []metav1.OwnerReference) (*metav1.OwnerReference, error) {
	for i := range parents {
		fades, err := j.cluster.fades(ctx, &j.parents, namespace, parents[i])
		if fades || err != nil {
			return &parents[i], err
		}
	}
	return nil, nil
}

// follow deletes the Job after its parent. Its version is in the deletion, so that the gate is on when it begins.
func (j *Janitor) follow(ctx context.Context, f Facts, parent string) error {
	says := parent + " is deleted in the foreground, so the Job is deleted, too: in the background, for its logs are not archived yet"
	err := j.cluster.deleteJob(ctx, f.Job)
	if apierrors.IsForbidden(err) { // without cleanup it need not have the right
		says = parent + " is deleted in the foreground and waits for this Job, whose logs are not archived yet: delete it in the background"
	} else if err != nil {
		return err
	}
	j.say(ctx, f.Job, parentDeleted, says)
	j.log.Info("parent of a held Job is deleted in the foreground", "job", f.Job.Name, "parent", parent, "err", err)
	return nil
}

func isCronJob(o metav1.OwnerReference) bool {
	return o.Kind == "CronJob" && (o.APIVersion == "" || o.APIVersion == batchv1.SchemeGroupVersion.String())
}

// parentKinds is what is known of the kinds of parents. The zero value knows nothing. Safe for concurrent use.
type parentKinds struct {
	mu sync.Mutex
	// Guarded by mu; by API version and kind: where its objects are, with %s for the namespace.
	paths map[string]string
	deny  map[string]time.Time // guarded by mu; when it was not known, or could not be read
}

const (
	// denyFor: a right that is given, or a kind that is made, is noticed so late.
	denyFor = 10 * time.Minute
	// mostDenied bounds what is remembered: whoever makes a Job names its parents.
	mostDenied = 1000
)

// groupVersion is what an API version looks like. It, and names, become parts of a path, and are others' words.
var groupVersion = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9][a-z0-9]*$`)

func kindOf(o metav1.OwnerReference) string { return o.APIVersion + " " + o.Kind }

// mayAsk: nothing is known that speaks against it.
func (k *parentKinds) mayAsk(o metav1.OwnerReference, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, denied := k.deny[kindOf(o)]
	sound := groupVersion.MatchString(o.APIVersion) && len(content.IsPathSegmentName(o.Name)) == 0
	return sound && (!denied || now.Sub(at) > denyFor) || isCronJob(o)
}

func (k *parentKinds) refused(o metav1.OwnerReference) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deny == nil || len(k.deny) >= mostDenied {
		k.deny = map[string]time.Time{}
	}
	k.deny[kindOf(o)] = time.Now()
}

// path returns where the parent is, "" where its kind is not known.
func (k *parentKinds) path(d discovery.DiscoveryInterface, namespace string, o metav1.OwnerReference) (string, error) {
	k.mu.Lock()
	path, known := k.paths[kindOf(o)]
	k.mu.Unlock()
	if !known {
		list, err := d.ServerResourcesForGroupVersion(o.APIVersion)
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("look for kind %s: %w", kindOf(o), err)
		}
		if path = pathOf(list, o); path == "" {
			return "", nil
		}
		k.mu.Lock()
		if k.paths == nil {
			k.paths = map[string]string{}
		}
		k.paths[kindOf(o)] = path
		k.mu.Unlock()
	}
	return strings.ReplaceAll(path, "%s", namespace) + "/" + o.Name, nil
}

func pathOf(list *metav1.APIResourceList, o metav1.OwnerReference) string {
	root := "/apis/" + o.APIVersion
	if !strings.Contains(o.APIVersion, "/") {
		root = "/api/" + o.APIVersion
	}
	for _, r := range list.APIResources {
		switch {
		case r.Kind != o.Kind || strings.Contains(r.Name, "/"):
		case r.Namespaced:
			return root + "/namespaces/%s/" + r.Name
		default:
			return root + "/" + r.Name
		}
	}
	return ""
}

// fades reports whether the parent is being deleted in the foreground. Without the right to ask it is not known.
func (c cluster) fades(ctx context.Context, kinds *parentKinds, namespace string, parent metav1.OwnerReference) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var meta metav1.ObjectMeta
	var err error
	if isCronJob(parent) {
		var got *batchv1.CronJob
		if got, err = c.client.BatchV1().CronJobs(namespace).Get(ctx, parent.Name, metav1.GetOptions{}); err == nil {
			meta = got.ObjectMeta
		}
	} else {
		meta, err = c.metadata(ctx, kinds, namespace, parent)
	}
	if apierrors.IsForbidden(err) {
		kinds.refused(parent)
	}
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || err == nil && meta.UID != parent.UID {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s %s/%s: %w", parent.Kind, namespace, parent.Name, err)
	}
	return meta.DeletionTimestamp != nil && has(meta.Finalizers, metav1.FinalizerDeleteDependents), nil
}

// metadata reads that of an object of any kind, and nothing else of it; empty where the kind is not known.
func (c cluster) metadata(ctx context.Context, kinds *parentKinds, namespace string, o metav1.OwnerReference) (metav1.ObjectMeta, error) {
	path, err := kinds.path(c.client.Discovery(), namespace, o)
	if path == "" || err != nil {
		if err == nil {
			kinds.refused(o)
		}
		return metav1.ObjectMeta{}, err
	}
	const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	text, err := c.client.Discovery().RESTClient().Get().AbsPath(path).SetHeader("Accept", accept).Do(ctx).Raw()
	if err != nil {
		return metav1.ObjectMeta{}, err
	}
	var got metav1.PartialObjectMetadata
	err = json.Unmarshal(text, &got)
	return got.ObjectMeta, err
}
