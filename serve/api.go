package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/archive/room"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// Access says who asks and what he may do. Its errors are Statuses.
type Access interface {
	User(ctx context.Context, header http.Header) (access.User, error)
	May(ctx context.Context, user access.User, act access.Act) error
}

// Reader gives back what is kept: archive.Reader.
type Reader interface {
	Read(ctx context.Context, q archive.Query) (*archive.Answer, error)
	Jobs(ctx context.Context, q archive.JobQuery) iter.Seq2[archive.KeptJob, error]
	Job(ctx context.Context, namespace, name string, uid archive.JobUID) (*archive.KeptJob, error)
	Manifest(ctx context.Context, pod archive.PodRef) (m *archive.Manifest, sealed bool, err error)
}

// Objects gives the bytes of log objects as they are stored: archive.Reader.
type Objects interface {
	Object(ctx context.Context, key archive.Key, part archive.Range) (io.ReadCloser, archive.Object, error)
}

// Config says how the API answers. The zero value of a field is what its comment says.
type Config struct {
	// Whose Jobs the daemon watches: a question about nothing in particular is one about it.
	Namespace        string
	Audience         string        // of tokens that are good here alone; "": there is none
	MaxStreams       int           // answers given at once; 0: 500
	MaxStreamsOfUser int           // of these to one user; 0: 50
	MemoryOfUser     int64         // bytes that the answers to one user take together; 0: 64 MiB
	WriteTimeout     time.Duration // a client that has not read for so long is cut off; 0: 30 s
	Ping             time.Duration // a follower who has nothing to read hears a ping so often; 0: 15 s
	// While an answer is given it is asked so often whether the caller still may have it; 0: 30 s.
	Review time.Duration
}

func (c Config) filled() Config {
	if c.MaxStreams == 0 {
		c.MaxStreams = 500
	}
	if c.MaxStreamsOfUser == 0 {
		c.MaxStreamsOfUser = 50
	}
	if c.MemoryOfUser == 0 {
		c.MemoryOfUser = 64 << 20
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 30 * time.Second
	}
	if c.Ping == 0 {
		c.Ping = 15 * time.Second
	}
	if c.Review == 0 {
		c.Review = 30 * time.Second
	}
	return c
}

// Parts are what the API works with.
type Parts struct {
	Access  Access
	Reader  Reader
	Objects Objects
	Cluster Cluster // nil: there is none, and this replica is alone
	// Messages gives what was added in some namespaces to a workload's log besides its containers' lines; nil: nothing
	// is.
	Messages func(ctx context.Context, workload string, namespaces []string) (message.Talk, error)
	Metrics  *metrics.Serve // nil: nobody asks
	Log      *slog.Logger
	// Now gives the time from which "an hour ago" counts: that of the nodes, which stamp the lines; nil: this
	// machine's.
	Now func() time.Time

	// Certificate is the one that this replica, and so the others, serve; nil: they serve without TLS.
	Certificate func() (*tls.Certificate, error)
}

// API answers under /api/v1. It keeps nothing but who is being answered. Safe for concurrent use once all routes are
// added.
type API struct {
	cfg     Config
	parts   Parts
	streams *streams
	mux     *http.ServeMux
	peers   *peering

	patterns []string // of the routes
	hijacked sync.WaitGroup
}

// NewAPI makes the API with its own routes. More are added with Add, before it serves.
func NewAPI(cfg Config, parts Parts) *API {
	a := &API{cfg: cfg.filled(), parts: parts, mux: http.NewServeMux()}
	a.streams = newStreams(a.cfg.MaxStreams, a.cfg.MaxStreamsOfUser, a.cfg.MemoryOfUser)
	if parts.Metrics == nil {
		a.parts.Metrics = metrics.NewServe(nil, a.streams.Open, a.streams.Memory)
	}
	if parts.Now == nil {
		a.parts.Now = time.Now
	}
	a.peers = newPeering(a.parts, cfg.Audience)
	a.mux.HandleFunc("GET /openapi.yaml", a.briefly(serveOpenAPI))
	a.mux.HandleFunc("/", a.briefly(a.unknown))
	a.Add(a.jobRoutes()...)
	a.Add(a.logRoutes()...)
	return a
}

// Run serves the API until the context ends. Those who follow a log are cut off then, and everybody else is answered.
func (a *API) Run(ctx context.Context, l net.Listener) error {
	defer a.hijacked.Wait() // those who serve such a connection end with UntilStop
	// Twice the answers that are given at once: whoever is answered may have a connection beside that waits.
	handler := http.Handler(a)
	if asksNobody(a.parts.Access) {
		handler = localOnly(a)
	}
	server := newServer(handler, 2*a.cfg.MaxStreams, func() { a.parts.Metrics.Dropped.Inc() })
	if a.parts.Certificate == nil {
		return run(ctx, l, server, nil)
	}
	return run(ctx, l, server, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.parts.Certificate() },
	})
}

// Streams returns the answers that are being given, and their limit.
func (a *API) Streams() (open, limit int) { return a.streams.Open() }

// Memory returns the bytes that are reserved for the user for whom most are, and how many may be for one.
func (a *API) Memory() (bytes, limit int64) { return a.streams.Memory() }

// Measure makes the API count in m.
func (a *API) Measure(m *metrics.Serve) {
	a.parts.Metrics, a.peers.metrics = m, m
	metrics.FromZero(m.Refused, refusedUser, refusedMemory, refusedAll, refusedStrangers)
	metrics.FromZero(m.Forwarded, resultAnswered, resultGone, resultWithheld)
	for _, pattern := range a.patterns {
		m.Requests.WithLabelValues(pattern, "200")
	}
}

// Route is one route of the API. Whoever reaches Handle is known and has passed Act.
type Route struct {
	// Pattern is http.ServeMux's, with its method: "POST /api/v1/namespaces/{namespace}/runs".
	Pattern string
	// Act is what the caller must be allowed to do, in the namespace that {namespace} names and on the object that
	// {pod} names, if the pattern has these. The zero Act asks for nothing: then Handle asks by May.
	Act access.Act
	// Handle answers. An error that it returns before it has written anything becomes a Status; later, it cuts the
	// answer off, so that half an answer never looks like a whole one.
	Handle func(w http.ResponseWriter, r *http.Request) error
	// Follows says that the answer may last for as long as the client likes.
	Follows bool
	// Plain says that a refusal is its bare text, and no Status, for clients of another API.
	Plain bool
}

// Add adds routes.
func (a *API) Add(routes ...Route) {
	for _, route := range routes {
		a.mux.Handle(route.Pattern, a.guarded(route))
		a.patterns = append(a.patterns, route.Pattern)
		a.parts.Metrics.Requests.WithLabelValues(route.Pattern, "200")
	}
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// guarded answers a route for those who may.
func (a *API) guarded(route Route) http.Handler {
	return http.HandlerFunc(func(raw http.ResponseWriter, r *http.Request) {
		w := &answerWriter{ResponseWriter: raw, control: http.NewResponseController(raw), timeout: a.cfg.WriteTimeout, hijacked: &a.hijacked}
		defer w.over()
		start := time.Now()
		defer func() { a.count(w, r, route.Pattern, start) }()
		err := a.admit(w, r, route)
		if err == nil {
			return
		}
		if !w.begun {
			a.refuse(w, r, route, err)
			return
		}
		a.parts.Metrics.Cut.Inc()
		if r.Context().Err() == nil {
			a.parts.Log.Warn("answer is cut off", "path", r.URL.Path, "user", w.user, "err", err)
		}
		// The client must see that this is not the end.
		panic(http.ErrAbortHandler)
	})
}

func (a *API) admit(w *answerWriter, r *http.Request, route Route) error {
	unhurried(w.control, r)
	r = r.WithContext(access.From(r.Context(), r.RemoteAddr))
	user, err := a.parts.Access.User(r.Context(), r.Header)
	if apierrors.IsTooManyRequests(err) {
		a.parts.Metrics.Refused.WithLabelValues(refusedStrangers).Inc()
	}
	if err != nil {
		return err
	}
	w.user = user.Name
	space, back, reason, err := a.streams.take(user.Name)
	if err != nil {
		a.parts.Metrics.Refused.WithLabelValues(reason).Inc()
		return err
	}
	defer back()
	w.follows = route.Follows || r.URL.Query().Has("follow")
	if err := plainNames(r); err != nil {
		return err
	}
	ctx, end := a.watched(r, user)
	defer end()
	r = r.WithContext(room.WithRoom(ctx, space))
	if route.Act != (access.Act{}) {
		if err := a.May(ctx, route.Act.In(r.PathValue("namespace"), r.PathValue("pod"))); err != nil {
			return err
		}
	}
	err = route.Handle(w, r)
	if err == nil && !w.begun {
		err = context.Cause(ctx) // what ended before it began is no empty answer
	}
	if errors.Is(err, room.ErrNoRoom) {
		a.parts.Metrics.Refused.WithLabelValues(refusedMemory).Inc()
	}
	return whyEnded(ctx, err)
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, route Route, err error) {
	if r.Context().Err() != nil {
		return // nobody reads it
	}
	if s := statusOf(err); s.Code >= http.StatusInternalServerError {
		a.parts.Log.Warn("request failed", "path", r.URL.Path, "code", s.Code, "err", err)
	}
	if route.Plain {
		writePlain(w, err)
		return
	}
	writeStatus(w, err)
}

func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	writeStatus(w, notFound("no route "+r.Method+" "+r.URL.Path+"; the routes are in /openapi.yaml"))
}

func (a *API) count(w *answerWriter, r *http.Request, pattern string, start time.Time) {
	code := w.code
	if code == 0 {
		code = statusClientGone
		if r.Context().Err() == nil {
			code = http.StatusOK
		}
	}
	a.parts.Metrics.Requests.WithLabelValues(pattern, strconv.Itoa(code)).Inc()
	a.parts.Metrics.Bytes.Add(float64(w.bytes))
	if !w.follows {
		a.parts.Metrics.Duration.Observe(time.Since(start).Seconds())
	}
}
