package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func namespaced(namespace string, parts ...string) string {
	return path.Join(append([]string{"/api/v1/namespaces", url.PathEscape(namespace)}, escaped(parts)...)...)
}

func escaped(parts []string) []string {
	all := make([]string, len(parts))
	for i, part := range parts {
		all[i] = url.PathEscape(part)
	}
	return all
}

// ErrOneNamespace says that the daemon lists one namespace at a time.
var ErrOneNamespace = errors.New("this daemon is of a version that lists the Jobs of one namespace at a time; name it with -n, or the store with --archive")

// Jobs is archive.Reader's; of all namespaces for who may list pods in all of them. The day of a Job is the API's
// affair: bounds apply to the moment.
func (c *Client) Jobs(ctx context.Context, q archive.JobQuery) iter.Seq2[archive.KeptJob, error] {
	return func(yield func(archive.KeptJob, error) bool) {
		var err error
		switch {
		case q.Namespace != "":
			err = c.pages(ctx, namespaced(q.Namespace, "jobs"), q, yield)
		case q.Workload != "":
			err = c.workload(ctx, q.Workload, yield)
		default:
			err = c.pages(ctx, "/api/v1/jobs", q, yield)
			if errors.Is(err, archive.ErrNotFound) { // a list is never not found, but its route may be
				err = ErrOneNamespace
			}
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(archive.KeptJob{}, err)
		}
	}
}

// errEnough ends a list that its reader has left.
var errEnough = errors.New("enough")

const pageSize = "200"

func (c *Client) pages(ctx context.Context, path string, q archive.JobQuery, yield func(archive.KeptJob, error) bool) error {
	query := url.Values{"limit": {pageSize}}
	if q.Workload != "" {
		query.Set("workload", q.Workload)
	}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		query.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	for {
		var page wire.JobList
		if _, err := c.document(ctx, path, query, &page); err != nil {
			return err
		}
		for i := range page.Items {
			if !yield(page.Items[i].Kept(), nil) {
				return errEnough
			}
		}
		if page.Metadata.Continue == "" {
			return nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

func (c *Client) workload(ctx context.Context, id string, yield func(archive.KeptJob, error) bool) error {
	var found wire.Workload
	if _, err := c.document(ctx, path.Join("/api/v1/workloads", url.PathEscape(id)), nil, &found); err != nil {
		return err
	}
	for i := range found.Jobs {
		if !yield(found.Jobs[i].Kept(), nil) {
			return errEnough
		}
	}
	return nil
}

// Job is archive.Reader's.
func (c *Client) Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error) {
	var j wire.Job
	if _, err := c.document(ctx, namespaced(namespace, "jobs", name), uidOf(string(uid)), &j); err != nil {
		return nil, err
	}
	kept := j.Kept()
	return &kept, nil
}

func uidOf(uid string) url.Values {
	if uid == "" {
		return nil
	}
	return url.Values{"uid": {uid}}
}

// Manifest is archive.Reader's.
func (c *Client) Manifest(ctx context.Context, pod archive.PodRef) (m *archive.Manifest, sealed bool, err error) {
	header, err := c.document(ctx, namespaced(pod.Namespace, "manifests", pod.Pod), uidOf(string(pod.PodUID)), &m)
	if err != nil {
		return nil, false, err
	}
	return m, header.Get(wire.ManifestHeader) == wire.Sealed, nil
}

// Object is archive.Reader's, of whole log objects.
func (c *Client) Object(ctx context.Context, key archive.Key, part archive.Range) (io.ReadCloser, archive.Object, error) {
	ref, container, restart, err := nameOf(key)
	if err != nil {
		return nil, archive.Object{}, err
	}
	if part != (archive.Range{}) {
		return nil, archive.Object{}, fmt.Errorf("a part of %s: %w", key, errors.ErrUnsupported)
	}
	query := url.Values{"uid": {string(ref.PodUID)}, "container": {container}, "restart": {restart}}
	var resp *http.Response
	err = c.again(ctx, func() error {
		resp, err = c.ask(ctx, namespaced(ref.Namespace, "pods", ref.Pod, "log.zst"), query, nil) //nolint:bodyclose // the caller closes it
		return err
	})
	if err != nil {
		return nil, archive.Object{}, err
	}
	return resp.Body, archive.Object{Key: key, Size: resp.ContentLength}, nil
}

// nameOf returns what the API calls the log object of a key:
// v1/<namespace>/<job>/<uid>/<pod>.<uid>/<container>.<restart>[.<hash>].log.zst, or v1/<namespace>/_pod/<pod>.<uid>/...
// of a pod without a Job.
func nameOf(key archive.Key) (ref archive.PodRef, container, restart string, err error) {
	wrong := fmt.Errorf("%q is not the key of a log object", key)
	parts := strings.Split(string(key), "/")
	if len(parts) < 5 {
		return ref, "", "", wrong
	}
	pod, file := parts[len(parts)-2], strings.Split(parts[len(parts)-1], ".")
	cut := strings.LastIndexByte(pod, '.')
	if cut < 0 || len(file) < 4 {
		return ref, "", "", wrong
	}
	if _, err := strconv.Atoi(file[1]); err != nil {
		return ref, "", "", wrong
	}
	return archive.PodRef{Namespace: parts[1], Pod: pod[:cut], PodUID: archive.PodUID(pod[cut+1:])}, file[0], file[1], nil
}
