package loki

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/epilogue-dev/epilogue/serve"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

const (
	// mostTailed bounds the logs that one tail follows at once.
	mostTailed = 200
	mostDelay  = 5 // seconds
	// patience is how long a line waits for others that come with it.
	patience = 50 * time.Millisecond
	// mostTogether bounds the entries of one message.
	mostTogether = 500
)

// tail follows the logs that a query picks, those of Jobs that are still to come, too, over a WebSocket. What is told
// of an open log goes on through its seal, each line once.
func (a *api) tail(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := serve.UntilStop(r.Context())
	defer cancel()
	q, err := a.question(ctx, w, r)
	if err != nil {
		return err
	}
	t, err := a.newTail(q)
	if err != nil {
		return a.refusal(ctx, err, 0)
	}
	// An origin is nothing to go by: a page cannot have a browser send the token that is asked for, and where none is,
	// the API asks itself.
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, WriteBufferSize: 16 << 10}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // it has answered
	}
	a.cfg.Metrics.Tails.Inc()
	defer a.cfg.Metrics.Tails.Dec()
	t.conn, t.cancel = conn, cancel
	t.run(ctx)
	return nil
}

// tail is one client who follows.
type tail struct {
	api      *api
	q        *question
	matchers []logql.Matcher
	pipeline *logql.Pipeline
	filter   logql.LineFilter
	start    int64
	limit    int64
	conn     *websocket.Conn
	cancel   context.CancelFunc

	entries   chan *entry
	failed    chan error
	following sync.WaitGroup

	// Owned by lookout.
	by map[logName]*followed

	// Owned by run.
	form     former
	last     int64 // time of the entry that was sent last,
	lastView int64 // and the one that it was shown with
}

// logName names a log.
type logName struct {
	pod, container string
	restart        int
}

// followed is a log that was seen, and what was told of it.
type followed struct {
	notes int // that were sent
}

func (a *api) newTail(q *question) (*tail, error) {
	start := q.time("start", q.now.Add(-usualSpan))
	limit := q.lines()
	if q.number("delay_for", 0) > mostDelay {
		q.fail("delay_for can't be greater than %d", mostDelay)
	}
	query := q.query()
	if q.err != nil {
		return nil, q.err
	}
	pipeline, err := logql.NewPipeline(query, q.categorizes())
	if err != nil {
		return nil, err
	}
	t := &tail{
		api: a, q: q, matchers: logql.Selectors(query)[0], pipeline: pipeline, filter: pipeline.Filter(), start: start.UnixNano(), limit: int64(limit),
		entries: make(chan *entry), failed: make(chan error, 1), by: map[logName]*followed{}, form: former{numbers: q.categorizes()},
	}
	_, err = t.look(q.ctx) // so that who may not is told so before the connection is another one
	return t, err
}

// look gives the logs that the query picks now.
func (t *tail) look(ctx context.Context) ([]*keptLog, error) {
	// what is refused is asked for again: the tail may last for days
	who := &asked{may: t.api.cfg.May, allowed: map[string]bool{}}
	return t.api.catalogue.find(ctx, who, t.matchers, t.start, t.api.cfg.Now().Add(time.Hour).UnixNano())
}

// run tells what comes until the client goes, or may not hear any more.
func (t *tail) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	t.following.Go(func() { t.listen(cancel) })
	t.following.Go(func() { t.lookout(ctx) })
	err := t.send(ctx)
	cancel()
	t.close(err)
	t.following.Wait()
}

// listen hears whether the client is there. What he says is not looked at.
func (t *tail) listen(gone context.CancelFunc) {
	defer gone()
	t.conn.SetReadLimit(4 << 10)
	alive := func() { _ = t.conn.SetReadDeadline(time.Now().Add(2*t.api.cfg.Ping + t.api.cfg.WriteWait)) }
	t.conn.SetPongHandler(func(string) error { alive(); return nil })
	for alive(); ; {
		if _, _, err := t.conn.ReadMessage(); err != nil {
			return
		}
	}
}

// close says why it ends, where the client is still there, and closes the connection, by which listen ends.
func (t *tail) close(err error) {
	code, text := websocket.CloseGoingAway, "this replica stops"
	var status apierrors.APIStatus
	cause := context.Cause(t.q.r.Context())
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		code, text = websocket.CloseInternalServerErr, err.Error()
	case errors.As(cause, &status): // he may not hear it any more
		code, text = websocket.ClosePolicyViolation, status.Status().Message
	}
	const longest = 120 // bytes of a close frame's reason
	if len(text) > longest {
		text = text[:longest]
	}
	// he may be gone
	_ = t.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(time.Second))
	_ = t.conn.Close()
}

// fail ends the tail with an error; the first one counts.
func (t *tail) fail(err error) {
	select {
	case t.failed <- err:
	default:
	}
}

// send sends what comes. A message holds what comes within a moment.
func (t *tail) send(ctx context.Context) error {
	ping := time.NewTicker(t.api.cfg.Ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-t.failed:
			return err
		case <-ping.C:
			if err := t.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(t.api.cfg.WriteWait)); err != nil {
				return nil
			}
		case e := <-t.entries:
			m := t.newMessage()
			m.add(e)
			m.gather(ctx)
			if err := m.write(); err != nil {
				return nil // he does not read, or is gone
			}
		}
	}
}

// lookout looks for logs that come, and has each one followed.
func (t *tail) lookout(ctx context.Context) {
	tick := time.NewTicker(t.api.cfg.Poll)
	defer tick.Stop()
	for first := true; ; first = false {
		logs, err := t.look(ctx)
		if err == nil {
			err = t.begin(ctx, logs, first)
		}
		switch {
		case ctx.Err() != nil:
			return
		case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || isCeiling(err):
			t.fail(err)
			return
		case err != nil: // the store's trouble, or the API server's: the next look may be answered
			t.api.cfg.Log.Debug("tail cannot look for Jobs", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func isCeiling(err error) bool {
	var ceiling *logql.CeilingError
	return errors.As(err, &ceiling)
}

// begin has what is new followed. first: of what has ended before there was a tail only the last lines are told.
func (t *tail) begin(ctx context.Context, logs []*keptLog, first bool) error {
	open := 0
	for n, l := range logs {
		if l.open {
			open++
		}
		if open > mostTailed {
			return &logql.CeilingError{What: "logs to follow at once", Most: mostTailed}
		}
		name := logName{string(l.instance.PodUID), l.instance.Container, l.instance.Restart}
		f := t.by[name]
		if f == nil {
			f = &followed{}
			t.by[name] = f
			if l.matches(t.matchers, l.stream) && (l.open || l.lines > 0 && l.to >= t.start) {
				t.following.Go(func() { t.follow(ctx, n, l, first) })
			}
		}
		if !l.open { // then what is to be told of it is known
			t.tellNotes(ctx, n, l, f)
		}
	}
	return nil
}

func (t *tail) tellNotes(ctx context.Context, n int, l *keptLog, f *followed) {
	for ; f.notes < len(l.notes); f.notes++ {
		x := &l.notes[f.notes]
		if x.at < t.start || !l.matches(t.matchers, l.aside) || !t.filter.Pass([]byte(x.text)) {
			continue
		}
		t.put(ctx, &entry{at: x.at, log: n, number: 2*x.after + 1, text: []byte(x.text), note: x, kept: l})
	}
}

// follow tells the lines of one log, of an open one until its pod is sealed.
func (t *tail) follow(ctx context.Context, n int, l *keptLog, first bool) {
	limit := t.limit
	if !first && !l.open {
		limit = 0 // it came and went between two looks: all of it is new
	}
	err := t.api.catalogue.shelf.follow(ctx, l, t.start, limit, func(x *line) bool {
		return !t.filter.Pass(x.text) || t.put(ctx, &entry{at: x.at, log: n, number: 2 * x.number, text: bytes.Clone(x.text), kept: l})
	}, func(x note) {
		x.at = max(x.at, t.start)
		t.put(ctx, &entry{at: x.at, log: n, number: 2*x.after + 1, text: []byte(x.text), note: &x, kept: l})
	})
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
}

// put hands an entry to who sends it; false where nobody does any more.
func (t *tail) put(ctx context.Context, e *entry) bool {
	select {
	case t.entries <- e:
		return true
	case <-ctx.Done():
		return false
	}
}
