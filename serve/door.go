package serve

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// What one caller may take of the program, whoever he is and at whatever port he knocks.
const (
	maxHead     = 64 << 10         // bytes of a request's head; a token is up to half of it
	headTimeout = 10 * time.Second // until the head is there
	// Until the whole request is there; a handler that answers for longer lifts it (see unhurried).
	readTimeout = 30 * time.Second
	pageTimeout = 30 * time.Second // until the answer of a page is written: the API counts from piece to piece instead
	idleTimeout = 2 * time.Minute

	// pageConnections are those to health and metrics, each: some probes and scrapes.
	pageConnections = 128
	// maxStreamsOfConnection are the requests at once over one connection of HTTP/2. A user may have about as many
	// answers.
	maxStreamsOfConnection = 64
)

// Run serves pages, such as health and metrics, until the context ends, then lets running requests end for a moment. It
// returns when all are over. With a TLS configuration it serves by it. Connections, heads and the time of a request
// have bounds.
func Run(ctx context.Context, l net.Listener, handler http.Handler, secure *tls.Config) error {
	server := newServer(handler, pageConnections, func() {})
	server.WriteTimeout = pageTimeout
	return run(ctx, l, server, secure)
}

func newServer(handler http.Handler, connections int, dropped func()) *http.Server {
	return &http.Server{
		Handler: handler, MaxHeaderBytes: maxHead,
		ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: maxStreamsOfConnection},
		ConnState: newConnections(connections, dropped).changed,
	}
}

func run(ctx context.Context, l net.Listener, server *http.Server, secure *tls.Config) error {
	server.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.WithoutCancel(ctx), stopKey{}, ctx)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	done, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(stopped)
		<-done.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(limited) != nil {
			server.Close() // those that are still open had their moment
		}
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// unhurried ends the request's time with its head, so that its answer may last: for one without a body, of which
// nothing more is to be waited for. A body keeps its deadline.
func unhurried(control *http.ResponseController, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		_ = control.SetReadDeadline(time.Time{}) // a recorder has none
	}
}

// connections are those of one server. At the limit a new one takes the place of the one that has been without a whole
// request for longest: so whoever opens connections and asks for nothing keeps out nobody, a probe of the kubelet least
// of all. Where all are being answered the new one is closed. Safe for concurrent use.
type connections struct {
	most    int
	dropped func() // hears of each that was closed for want of room

	mu   sync.Mutex
	open int // guarded by mu
	// Guarded by mu; of net.Conn: those that are not being answered, the longest so first.
	idle *list.List
	at   map[net.Conn]*list.Element // guarded by mu; where in idle
}

func newConnections(most int, dropped func()) *connections {
	return &connections{most: most, dropped: dropped, idle: list.New(), at: map[net.Conn]*list.Element{}}
}

// changed is http.Server's ConnState. A connection is active from when it has brought the head of a request until that
// is answered.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open++
		c.at[conn] = c.idle.PushBack(conn)
		if c.open > c.most {
			c.drop(c.idle.Front())
		}
	case http.StateIdle:
		c.busy(conn)
		c.at[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		c.busy(conn)
	case http.StateClosed, http.StateHijacked:
		c.busy(conn)
		c.open--
	}
}

// busy takes the connection from those that can be dropped.
func (c *connections) busy(conn net.Conn) {
	if e := c.at[conn]; e != nil {
		c.idle.Remove(e)
		delete(c.at, conn)
	}
}

// drop closes a connection; the server then hears of its end from its own read, and says so by StateClosed.
func (c *connections) drop(e *list.Element) {
	conn := e.Value.(net.Conn)
	c.busy(conn)
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // no good-bye, for which a client could keep us waiting
	}
	_ = conn.Close() // it is gone already otherwise
	c.dropped()
}

// briefly returns a handler whose whole answer has the time that others have for each piece.
func (a *API) briefly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.cfg.WriteTimeout)) // a recorder has none
		next(w, r)
	}
}
