package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/serve/wire"
)

// Read is archive.Reader's, but that Logs and Source of the answer are known only once Entries was ranged over to its
// end. Query.NoMore and the fields that bound line numbers and bytes are not asked of the daemon.
func (c *Client) Read(ctx context.Context, q archive.Query) (*archive.Answer, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	r := &reading{
		client: c, path: logPath(q.Target), query: parameters(&q), form: wire.Objects, after: maps.Clone(q.After),
		left: q.LimitBytes, limited: q.LimitBytes > 0,
		instances: map[archive.LogID]*archive.Instance{}, answer: &archive.Answer{},
	}
	if q.Follow {
		r.form = wire.Events
	}
	if r.after == nil {
		r.after = map[archive.LogID]int64{}
	}
	if err := c.again(ctx, func() error { return r.open(ctx) }); err != nil {
		return nil, err
	}
	r.answer.Entries = r.entries(ctx)
	return r.answer, nil
}

func logPath(t archive.Target) string {
	switch {
	case t.Workload != "":
		return path.Join("/api/v1/workloads", url.PathEscape(t.Workload), "log")
	case t.Job != "":
		return namespaced(t.Namespace, "jobs", t.Job, "log")
	default:
		return namespaced(t.Namespace, "pods", t.Pod, "log")
	}
}

// parameters returns a query in the API's words.
func parameters(q *archive.Query) url.Values {
	v := url.Values{}
	set := func(name, value string, given bool) {
		if given {
			v.Set(name, value)
		}
	}
	uid := string(q.Target.JobUID) + string(q.Target.PodUID) // one of them at most
	set("uid", uid, uid != "")
	set("namespace", q.Target.Namespace, q.Target.Workload != "" && q.Target.Namespace != "")
	for _, name := range q.Containers {
		v.Add("container", name)
	}
	set("follow", "true", q.Follow)
	set("previous", "true", q.Which == archive.Previous)
	set("newest", "true", q.Which == archive.Newest)
	if q.Restart != nil {
		v.Set("restart", strconv.Itoa(*q.Restart))
	}
	set("attempt", strconv.Itoa(q.Attempt), q.Attempt != 0)
	set("sinceTime", q.Since.UTC().Format(time.RFC3339Nano), !q.Since.IsZero())
	set("until", q.Until.UTC().Format(time.RFC3339Nano), !q.Until.IsZero())
	if q.Tail != nil {
		v.Set("tailLines", strconv.FormatInt(*q.Tail, 10))
	}
	if g := q.Grep; g != nil {
		v.Set("grep", g.Pattern)
		set("fixed", "true", g.Fixed)
		set("ignoreCase", "true", g.Fold)
		set("invert", "true", g.Invert)
		set("before", strconv.Itoa(g.Before), g.Before > 0)
		set("after", strconv.Itoa(g.After), g.After > 0)
	}
	return v
}

// reading is one answer on its way. Owned by who ranges over it.
type reading struct {
	client    *Client
	path      string
	query     url.Values
	form      string // wire.Objects or wire.Events
	left      int64  // bytes of lines that may still come; where limited
	limited   bool
	after     map[archive.LogID]int64 // the last line that was had of each log
	place     string                  // the same in the daemon's words; "" where it has not said it
	events    *events
	answer    *archive.Answer
	instances map[archive.LogID]*archive.Instance
}

// open asks for what comes behind the place.
func (r *reading) open(ctx context.Context) error {
	header := http.Header{"Accept": {r.form}}
	place := r.place
	if place == "" && len(r.after) > 0 {
		place = wire.Behind(r.after).String()
	}
	switch {
	case r.limited && r.left <= 0: // all came that was asked for, and only the last word is missing
		r.query.Del("follow")
		r.query.Del("limitBytes")
		r.query.Set("tailLines", "0")
		place, header = "", http.Header{"Accept": {wire.Objects}}
	case r.limited: // what came before the answer broke counts
		r.query.Set("limitBytes", strconv.FormatInt(r.left, 10))
	}
	if place != "" {
		header.Set(wire.LastEventID, place)
	}
	resp, err := r.client.ask(ctx, r.path, r.query, header) //nolint:bodyclose // copy closes it with its events
	if err != nil {
		return err
	}
	r.events = newEvents(resp)
	return nil
}

// shortAnswer: one that lasts less and brings no line was in vain.
const shortAnswer = 10 * time.Second

// entries returns the lines. An answer that breaks is asked for again, as long as something comes now and then.
func (r *reading) entries(ctx context.Context) iter.Seq2[archive.Entry, error] {
	return func(yield func(archive.Entry, error) bool) {
		for vain := 0; ; {
			began, place := time.Now(), r.place
			had := maps.Clone(r.after)
			ended, err := r.copy(yield)
			if vain++; time.Since(began) > shortAnswer || r.place != place || !maps.Equal(r.after, had) {
				vain = 0
			}
			if ended || errors.Is(err, errEnough) {
				return
			}
			// A token that has run out ends an answer too. Who asks again does it with the next one, if there is one.
			if err != nil && (ctx.Err() != nil || vain == r.client.cfg.Tries || lasting(err) && !apierrors.IsUnauthorized(err)) {
				yield(archive.Entry{}, err)
				return
			}
			r.client.cfg.Warn(err)
			if err := r.client.again(ctx, func() error { return r.open(ctx) }); err != nil {
				yield(archive.Entry{}, err)
				return
			}
		}
	}
}

// copy passes on the events of one connection. ended: the daemon said that this was all.
func (r *reading) copy(yield func(archive.Entry, error) bool) (ended bool, err error) {
	defer r.events.close()
	if r.events.status == http.StatusNoContent {
		return true, nil
	}
	for {
		event, err := r.events.next()
		if err != nil {
			return false, &brokenError{fmt.Errorf("the daemon's answer broke off: %w", err)}
		}
		switch {
		case event.data == nil:
			r.place = event.id
		case event.name == wire.EndName:
			return true, r.end(event.data)
		case event.name == wire.ErrorName:
			return false, failure(event.data)
		case event.name == wire.DamageName:
			err = r.damage(event.data, yield)
		default:
			err = r.line(event, yield)
		}
		if err != nil {
			return false, err
		}
	}
}
