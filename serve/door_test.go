package serve

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes, for a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial opens a connection to whoever accepts.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	p.conns <- there
	t.Cleanup(func() { _ = here.Close() })
	return here
}

// serving has a server answer on pipes until the test ends.
func serving(t *testing.T, run func(context.Context, net.Listener) error) *pipes {
	t.Helper()
	l := newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

func page(h http.HandlerFunc) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error { return Run(ctx, l, h, nil) }
}

// untilClosed says how long the other side keeps the connection, and what it says meanwhile.
func untilClosed(c net.Conn) (said string, after time.Duration) {
	begun := time.Now()
	b, _ := io.ReadAll(c)
	return string(b), time.Since(begun)
}

// TestRequestsHaveTheirTime: whoever sends or reads by drops is cut off, and has cost a connection until then.
func TestRequestsHaveTheirTime(t *testing.T) {
	large := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 1<<20))
	}
	for _, test := range []struct {
		name, sends string
		reads       bool
		want        time.Duration
	}{
		{"nothing", "", true, headTimeout},
		{"half a head", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", true, headTimeout},
		{"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123", true, readTimeout},
		{"no second request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, idleTimeout},
		{"does not read", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, pageTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serving(t, page(large)).dial(t)
				if _, err := io.WriteString(conn, test.sends); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				if !test.reads {
					time.Sleep(pageTimeout + time.Second)
				}
				_, _ = untilClosed(conn)
				if got := time.Since(begun); got > test.want+time.Second {
					t.Errorf("the connection is held for %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestHeadsHaveABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := serving(t, page(func(http.ResponseWriter, *http.Request) {})).dial(t)
		sent := make(chan int, 1)
		go func() {
			n, _ := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("a", 1<<20))
			sent <- n
		}()
		said, _ := untilClosed(conn)
		if n := <-sent; !strings.HasPrefix(said, "HTTP/1.1 431 ") || n > maxHead+(16<<10) {
			t.Errorf("got %q after %d bytes, want 431 after %d or some more", said, n, maxHead)
		}
	})
}

// TestLongAnswersStay: the bounds on requests are none on answers, also where the caller is quiet for hours, as one who
// follows a log is.
func TestLongAnswersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAPI(Config{}, Parts{Access: newPlayed(), Log: slog.New(slog.DiscardHandler)})
		a.Add(Route{Pattern: "GET /slow", Handle: func(w http.ResponseWriter, r *http.Request) error {
			select {
			case <-time.After(time.Hour):
				_, err := io.WriteString(w, "late")
				return err
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}})
		conn := serving(t, a.Run).dial(t)
		if _, err := io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer jane\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if said, _ := untilClosed(conn); !strings.HasSuffix(said, "late") {
			t.Errorf("got %q, want the late answer", said)
		}
	})
}

// TestConnectionsMakeRoom: those who ask for nothing give way to who does, and those who are being answered to nobody.
func TestConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, dropped := make(chan struct{}), 0
		server := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-release
			}
		}), 3, func() { dropped++ })
		l := serving(t, func(ctx context.Context, l net.Listener) error { return run(ctx, l, server, nil) })
		gets := func(c net.Conn, path string) error {
			if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				return err
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				err = resp.Body.Close()
			}
			return err
		}
		served := l.dial(t)
		if err := gets(served, "/"); err != nil {
			t.Fatal(err)
		}
		silent := []net.Conn{l.dial(t), l.dial(t), l.dial(t), l.dial(t)}
		synctest.Wait()
		if err := gets(l.dial(t), "/"); err != nil {
			t.Errorf("a probe: got %v, want it answered", err)
		}
		synctest.Wait()
		if dropped != 3 {
			t.Errorf("%d were dropped, want the 3 that had been there for longest", dropped)
		}
		for i, c := range append([]net.Conn{served}, silent[:2]...) {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("connection %d: got %v, want it closed", i, err)
			}
		}
		// All three are busy: who comes then is closed, and nobody else.
		answered := make(chan error, 3)
		for range 3 {
			c := l.dial(t)
			go func() { answered <- gets(c, "/wait") }()
			synctest.Wait()
		}
		if err := gets(l.dial(t), "/"); err == nil {
			t.Error("beyond the limit: got an answer, want the connection closed")
		}
		close(release)
		for range 3 {
			if err := <-answered; err != nil {
				t.Errorf("who was being answered: %v", err)
			}
		}
	})
}
