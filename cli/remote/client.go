package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/pause"
)

// Line is a way to one replica of the daemon. It is used by many requests at once.
type Line struct {
	Base   *url.URL     // of the API, without a path
	Client *http.Client // sends the caller's credentials along
	Close  func()       // gives the way back; nil: there is nothing to give back
}

// Config says how the daemon is reached.
type Config struct {
	// Dial finds a replica and a way to it. It is called again when the way is broken.
	Dial func(ctx context.Context) (*Line, error)
	// Retry is how long to wait before a broken answer is asked for again, at first; 0 is half a second. It doubles, up
	// to ten seconds.
	Retry time.Duration
	// Tries is how often in a row that may fail; 0 is 10.
	Tries int
	// Warn tells that an answer is asked for again, and why. nil: nobody.
	Warn func(err error)
}

// Client is the daemon's API. Safe for concurrent use.
type Client struct {
	cfg Config

	mu   sync.Mutex
	line *Line // guarded by mu; nil: not dialled, or broken
}

// New makes a Client. It dials with the first question.
func New(cfg Config) *Client {
	if cfg.Retry == 0 {
		cfg.Retry = 500 * time.Millisecond
	}
	if cfg.Tries == 0 {
		cfg.Tries = 10
	}
	if cfg.Warn == nil {
		cfg.Warn = func(error) {}
	}
	return &Client{cfg: cfg}
}

// Close gives the way to the daemon back.
func (c *Client) Close() { c.broken(nil) }

// current returns the way to the daemon, and finds one where there is none.
func (c *Client) current(ctx context.Context) (*Line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil {
		return c.line, nil
	}
	line, err := c.cfg.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c.line = line
	return line, nil
}

// broken gives a way back that does not work any more; nil is whichever there is. Who is late finds another one
// there, and leaves it.
func (c *Client) broken(line *Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == nil || line != nil && line != c.line {
		return
	}
	if c.line.Close != nil {
		c.line.Close()
	}
	c.line = nil
}

// brokenError says that there was no answer, or none of the daemon's.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// lasting reports whether asking again cannot help.
func lasting(err error) bool {
	var broken *brokenError
	return !errors.As(err, &broken) && !apierrors.IsServiceUnavailable(err) && !apierrors.IsTooManyRequests(err) && !apierrors.IsTimeout(err)
}

// ask sends one GET. The caller closes the body of the answer, which is one of status 200, 204 or 206.
func (c *Client) ask(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	return c.send(ctx, http.MethodGet, path, query, header, nil)
}

// send sends one request. The caller closes the body of the answer, whose status is below 400.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, header http.Header, body []byte) (*http.Response, error) {
	line, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	u := line.Base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := line.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.broken(line)
		return nil, &brokenError{fmt.Errorf("ask the daemon: %w", err)}
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, refusal(resp)
	}
	return resp, nil
}

// refusal returns the Status of an answer as an error. It closes the body.
func refusal(resp *http.Response) error {
	defer resp.Body.Close()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	var status metav1.Status
	if err != nil || json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		return &brokenError{fmt.Errorf("ask the daemon: %s answers %s, which is not the daemon's form of an error", resp.Request.URL.Host, resp.Status)}
	}
	return refused(status)
}

// refused returns a Status as an error that also says archive.ErrNotFound where it means that.
func refused(status metav1.Status) error {
	err := &apierrors.StatusError{ErrStatus: status}
	switch {
	case status.Code == http.StatusNotFound:
		return fmt.Errorf("%w (%w)", err, archive.ErrNotFound)
	case status.Code == http.StatusInternalServerError:
		// The daemon says so of nothing but bytes that it cannot read.
		return fmt.Errorf("%w (%w)", err, archive.ErrDamaged)
	default:
		return err
	}
}

// again asks until there is an answer, unless asking again cannot help.
func (c *Client) again(ctx context.Context, ask func() error) error {
	wait := pause.Backoff{First: c.cfg.Retry, Last: 10 * time.Second, Even: true}
	for try := 1; ; try++ {
		err := ask()
		if err == nil || lasting(err) || try == c.cfg.Tries || ctx.Err() != nil {
			return err
		}
		if try > 1 {
			c.cfg.Warn(err)
		}
		if wait.Wait(ctx) != nil {
			return err
		}
	}
}

// document reads one JSON document.
func (c *Client) document(ctx context.Context, path string, query url.Values, into any) (http.Header, error) {
	var header http.Header
	err := c.again(ctx, func() error {
		resp, err := c.ask(ctx, path, query, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		header = resp.Header
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			return &brokenError{fmt.Errorf("read the daemon's answer to %s: %w", path, err)}
		}
		return nil
	})
	return header, err
}
