package serve

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

func (a *API) jobRoutes() []Route {
	return []Route{
		// of all namespaces: the right is that at the cluster scope
		{Pattern: "GET /api/v1/jobs", Act: access.ListPods, Handle: a.listJobs},
		{Pattern: "GET /api/v1/namespaces/{namespace}/jobs", Act: access.ListPods, Handle: a.listJobs},
		{Pattern: "GET /api/v1/namespaces/{namespace}/jobs/{job}", Act: access.ListPods, Handle: a.oneJob},
		{Pattern: "GET /api/v1/workloads/{workload}", Act: access.Act{}, Handle: a.workload},
	}
}

// jobFilter says which Jobs of a list are wanted.
type jobFilter struct {
	since, until time.Time // of their creation
	verdicts     []string  // at least one instance has one of these
	state        string
	selector     labels.Selector
	limit        int
}

const (
	usualPage = 100
	mostPage  = 1000
	// mostLooks bounds what one page costs where few Jobs pass the filter: the page is short then, and says how to go
	// on.
	mostLooks = 2000
)

func parseJobs(r *http.Request, now time.Time) (archive.JobQuery, *jobFilter, error) {
	p := newParams(r.URL.RawQuery, now)
	f := &jobFilter{limit: usualPage, since: p.moment("since"), until: p.moment("until"), selector: labels.Everything()}
	q := archive.JobQuery{Namespace: r.PathValue("namespace"), Since: f.since, Until: f.until}
	q.Workload, _ = p.text("workload")
	if n := p.number("limit", 1, mostPage); n != nil {
		f.limit = int(*n)
	}
	for _, v := range p.list("verdict") {
		if !slices.Contains(archive.Verdicts, archive.Verdict(v)) {
			p.bad("verdict", v, "complete, seamed, partial, empty, lost or never-started")
		}
		f.verdicts = append(f.verdicts, v)
	}
	f.state = p.word("state", "", wire.Running, wire.Succeeded, wire.Failed, wire.Deleted)
	if p.flag("failed") {
		if f.state != "" && f.state != wire.Failed {
			p.bad("failed", "true", "false together with state="+f.state)
		}
		f.state = wire.Failed
	}
	if text, ok := p.text("labelSelector"); ok {
		selector, err := labels.Parse(text)
		if err != nil {
			p.bad("labelSelector", text, "a label selector as app=zenml,tier!=test")
		} else {
			f.selector = selector
		}
	}
	if text, ok := p.text("continue"); ok {
		cursor, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			p.bad("continue", text, "metadata.continue of an earlier page of the same list")
		}
		q.After = string(cursor)
	}
	return q, f, p.finish()
}

// wants reports whether a Job passes the filter.
func (f *jobFilter) wants(j *wire.Job) bool {
	hasVerdict := func(p archive.JobPod) bool {
		return slices.ContainsFunc(p.Verdicts, func(v archive.Verdict) bool { return slices.Contains(f.verdicts, string(v)) })
	}
	switch {
	case !f.since.IsZero() && j.CreatedAt.Before(f.since), !f.until.IsZero() && !j.CreatedAt.Before(f.until):
		return false
	case f.state != "" && j.State != f.state:
		return false
	case len(f.verdicts) > 0 && !slices.ContainsFunc(j.Pods, hasVerdict):
		return false
	}
	return f.selector.Matches(labels.Set(j.Labels))
}

func (a *API) listJobs(w http.ResponseWriter, r *http.Request) error {
	q, f, err := parseJobs(r, a.parts.Now())
	if err != nil {
		return err
	}
	list, err := a.pageOf(r.Context(), q, f)
	var bad *archive.QueryError
	if errors.As(err, &bad) && bad.Field == "After" {
		return badParameter("continue", r.URL.Query().Get("continue"), "metadata.continue of an earlier page of the same list")
	}
	if err != nil {
		return asParameter(err)
	}
	return WriteJSON(w, http.StatusOK, list)
}

// pageOf reads one page of a list.
func (a *API) pageOf(ctx context.Context, q archive.JobQuery, f *jobFilter) (*wire.JobList, error) {
	list := &wire.JobList{Kind: "JobList", Items: []wire.Job{}}
	looked, cursor := 0, ""
	for kept, err := range a.parts.Reader.Jobs(ctx, q) {
		switch {
		case errors.Is(err, archive.ErrDamaged):
			// Of this one nothing is known. The others must not be hidden by it; verify tells which objects are
			// damaged.
			a.parts.Log.Warn("Job's document cannot be read", "namespace", kept.Namespace, "job", kept.Job, "err", err)
			continue
		case err != nil:
			return nil, err
		}
		if len(list.Items) == f.limit || looked == mostLooks {
			list.Metadata.Continue = base64.RawURLEncoding.EncodeToString([]byte(cursor))
			return list, nil
		}
		looked++
		cursor = kept.Cursor
		if j := wire.JobOf(&kept); f.wants(&j) {
			if err := reserve(ctx, &j); err != nil {
				return nil, err
			}
			list.Items = append(list.Items, j)
		}
	}
	return list, nil
}

// reserve takes what a Job takes of the caller's memory, read and encoded, until it is answered.
func reserve(ctx context.Context, j *wire.Job) error {
	const job, pod = 3 << 10, 512
	return room.Of(ctx).Reserve(job + int64(len(j.Pods))*pod)
}

// jobPage is a Job with the manifests of its pods.
func (a *API) oneJob(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r.URL.RawQuery, a.parts.Now())
	uid, _ := p.text("uid")
	if err := p.finish(); err != nil {
		return err
	}
	target := archive.Target{Namespace: r.PathValue("namespace"), Job: r.PathValue("job"), JobUID: archive.JobUID(uid)}
	if a.peers.answer(w, r, target) {
		return nil
	}
	kept, err := a.parts.Reader.Job(r.Context(), target.Namespace, target.Job, target.JobUID)
	if err != nil {
		return asParameter(err)
	}
	return WriteJSON(w, http.StatusOK, wire.JobOf(kept))
}

// workload answers with the Jobs of a workload. Their namespaces are known only then: a caller sees those that he may
// see.
func (a *API) workload(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r.URL.RawQuery, a.parts.Now())
	if err := p.finish(); err != nil {
		return err
	}
	id := r.PathValue("workload")
	found := &wire.Workload{Kind: "Workload", ID: id, Jobs: []wire.Job{}}
	var refused error
	for kept, err := range a.parts.Reader.Jobs(r.Context(), archive.JobQuery{Workload: id}) {
		if err != nil {
			return asParameter(err)
		}
		if err := a.May(r.Context(), access.ListPods.In(kept.Namespace, "")); err != nil {
			refused = err
			continue
		}
		j := wire.JobOf(&kept)
		if err := reserve(r.Context(), &j); err != nil {
			return err
		}
		if found.Jobs = append(found.Jobs, j); len(found.Jobs) == mostPage {
			break // no workload has so many; the list of Jobs has pages
		}
	}
	if len(found.Jobs) > 0 {
		return WriteJSON(w, http.StatusOK, found)
	}
	if refused == nil {
		refused = a.May(r.Context(), access.ListPods.In(a.cfg.Namespace, ""))
	}
	if refused != nil {
		return refused
	}
	return notFound("nothing is known of workload " + id)
}
