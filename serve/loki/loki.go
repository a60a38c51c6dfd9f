// Package loki answers Loki's read API over the archive: Grafana, logcli and whatever else reads logs from Loki reads
// the logs of Jobs from here. It turns HTTP into queries of package logql, gives these the lines of the archive as
// entries, and keeps nothing but what it has read of Jobs that have ended.
//
// What it promises: who may not `get pods/log` in a namespace sees nothing of it, no label, no value and no count; a
// query that is not understood, or costs too much, is refused with the reason, and never answered in part. Nothing is
// written, so a crash leaves nothing.
package loki

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/access"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// Config says what the API works with. The zero value of a field is what its comment says.
type Config struct {
	Reader *read.Reader
	Store  archive.Store
	// of the caller whose request the context is: serve.API's May
	May     func(ctx context.Context, act access.Act) error
	Log     *slog.Logger
	Metrics *metrics.Loki    // nil: nobody asks
	Now     func() time.Time // the time of the nodes, which stamp the lines; nil: this machine's
	Version string           // of this program

	Timeout     time.Duration // of one query; 0: a minute
	MemoryOfOne int64         // bytes that the result of one query takes, reserved of the caller's; 0: 8 MiB
	WriteWait   time.Duration // a tail's client that has not read for so long is cut off; 0: 30 s
	Ping        time.Duration // a tail's client is asked so often whether he is there; 0: 15 s
	Poll        time.Duration // how often a tail looks for new Jobs; 0: a second
}

func (c Config) filled() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.MemoryOfOne == 0 {
		c.MemoryOfOne = 8 << 20
	}
	if c.WriteWait == 0 {
		c.WriteWait = 30 * time.Second
	}
	if c.Ping == 0 {
		c.Ping = 15 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.Metrics == nil {
		c.Metrics = metrics.NewLoki(nil)
	}
	return c
}

// api answers. Safe for concurrent use.
type api struct {
	cfg       Config
	catalogue *catalogue
	engine    logql.Engine
}

const (
	mostSeries = 2000
	// mostRead bounds the text that one query reads.
	mostRead = 32 << 30
)

// Routes gives the routes for serve.API's Add.
func Routes(cfg Config) []serve.Route {
	cfg = cfg.filled()
	a := &api{cfg: cfg, catalogue: newCatalogue(&shelf{reader: cfg.Reader, store: cfg.Store}, cfg.Log)}
	a.engine.Ceilings = logql.Ceilings{
		Steps: logql.Ceiling{Most: mostSteps + 2}, Series: logql.Ceiling{Most: mostSeries},
		Bytes: logql.Ceiling{Most: mostRead}, Memory: logql.Ceiling{Most: cfg.MemoryOfOne},
	}
	metrics.FromZero(cfg.Metrics.Refused, refusedQuery, refusedCeiling, refusedTime)
	var routes []serve.Route
	for path, answer := range map[string]func(*question) error{
		"query_range": a.queryRange, "query": a.query,
		"labels": a.labels, "label": a.labels, "label/{name}/values": a.labelValues, "series": a.series,
		"index/stats": a.stats, "index/volume": a.volume, "index/volume_range": a.volumeRange,
		"detected_labels": a.detectedLabels, "detected_fields": a.detectedFields, "detected_field/{name}/values": a.detectedValues,
		"patterns": a.patterns, "drilldown-limits": a.limits, "status/buildinfo": a.buildInfo, "format_query": a.formatQuery,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			routes = append(routes, serve.Route{Pattern: method + " /loki/api/v1/" + path, Plain: true, Handle: a.answer(answer)})
		}
	}
	return append(routes,
		serve.Route{Pattern: "GET /loki/api/v1/tail", Plain: true, Follows: true, Handle: a.tail},
		serve.Route{Pattern: "GET /loki/ready", Plain: true, Handle: a.ready},
		serve.Route{Pattern: "GET /ready", Plain: true, Handle: a.ready},
	)
}

// question is one request that is being answered. Owned by its handler.
type question struct {
	*params
	ctx    context.Context
	r      *http.Request
	w      http.ResponseWriter
	who    *asked
	source *source
}

// answer gives the handler that puts a question.
func (a *api) answer(f func(*question) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeoutCause(r.Context(), a.cfg.Timeout, errTooLong)
		defer cancel()
		start := time.Now()
		q, err := a.question(ctx, w, r)
		if err == nil {
			err = f(q)
		}
		if q != nil {
			a.cfg.Metrics.Lines.Add(float64(q.source.lines))
			a.cfg.Metrics.Text.Add(float64(q.source.bytes))
		}
		return a.refusal(ctx, err, time.Since(start))
	}
}

func (a *api) question(ctx context.Context, w http.ResponseWriter, r *http.Request) (*question, error) {
	p, err := paramsOf(w, r, a.cfg.Now())
	if err != nil {
		return nil, err
	}
	who := &asked{may: a.cfg.May, allowed: map[string]bool{}}
	return &question{params: p, ctx: ctx, r: r, w: w, who: who, source: &source{catalogue: a.catalogue, who: who, now: a.cfg.Now()}}, nil
}

var errTooLong = errors.New("the query takes too long")

// refusal gives a query's error as a Status: 400 for what the caller asked for, 504 where it took too long, and for
// what the store and the API server say what other routes give.
func (a *api) refusal(ctx context.Context, err error, took time.Duration) error {
	var status apierrors.APIStatus
	var ceiling *logql.CeilingError
	switch {
	case err == nil, errors.As(err, &status), errors.Is(err, room.ErrNoRoom):
		return err
	case errors.Is(context.Cause(ctx), errTooLong):
		a.cfg.Metrics.Refused.WithLabelValues(refusedTime).Inc()
		text := fmt.Sprintf("the query took %s, and %s is the most that one query may take: ask for less time, or fewer Jobs",
			took.Round(time.Millisecond), a.cfg.Timeout)
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout, Message: text,
		}}
	case errors.As(err, &ceiling):
		a.cfg.Metrics.Refused.WithLabelValues(refusedCeiling).Inc()
		return apierrors.NewBadRequest(err.Error())
	case logql.BadQuery(err):
		a.cfg.Metrics.Refused.WithLabelValues(refusedQuery).Inc()
		return apierrors.NewBadRequest(err.Error())
	}
	return err
}

// Reasons of a refusal, as the metric has them.
const (
	refusedQuery   = "query"   // it is not understood
	refusedCeiling = "ceiling" // it needs more than one query may
	refusedTime    = "time"    // it took longer than one may
)

// hold takes what the result of a query may take of the caller's memory. Grafana asks for a dozen panels at once: who
// finds no room waits for those that are answered.
func (a *api) hold(ctx context.Context) error {
	const again = 20 * time.Millisecond
	for {
		err := reserve(ctx, a.cfg.MemoryOfOne)
		if !errors.Is(err, room.ErrNoRoom) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(again):
		}
	}
}

func (a *api) ready(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ready\n")) // the client may be gone
	return nil
}
