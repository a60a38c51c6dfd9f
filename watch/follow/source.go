package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// Errors of a Source. Others are trouble on the way to the log and say nothing about it.
var (
	// errGone: the API server knows no such pod or container.
	errGone = errors.New("pod is gone")
	// errNoLog: the pod is there but has no log to give yet, or no node.
	errNoLog = errors.New("no log yet")
)

// Request asks for a log, or a part of it. The API addresses names: who asks must check which instance answers.
type Request struct {
	Namespace, Pod, Container string

	Follow   bool
	Previous bool  // the log of the last terminated instance
	All      bool  // from the start of the file, whatever is held
	Since    int64 // ns since 1970, 0: from the start. The API knows whole seconds: lines of the same second come too
	Tail     int64 // only the last so many records, 0: all
	Limit    int64 // only the first so many bytes, 0: all
}

// Source opens logs with a timestamp before each line. Reading ends with io.EOF wherever the way to the log broke: an
// end proves nothing.
type Source interface {
	Open(ctx context.Context, r Request) (io.ReadCloser, error)
}

// apiSource reads through the API server.
type apiSource struct {
	base   *url.URL
	client *http.Client
}

// streamWindow is what the transport may hold of a stream that is not read: with Go's default of 4 MiB a thousand
// stalled streams would hold 4 GiB.
const streamWindow = 256 << 10

// NewSource returns the Source of an API server. It has a transport of its own: a log that floods must not delay the
// watches and Leases that share client-go's connections. cfg's Timeout and rate limits do not apply, for a stream lives
// for hours.
func NewSource(cfg *rest.Config) (Source, error) {
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("log source: %w", err)
	}
	dial, err := dialOf(cfg)
	if err != nil {
		return nil, fmt.Errorf("log source: %w", err)
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	transport := &http.Transport{
		Proxy:                 proxyOf(cfg),
		DialContext:           dial,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		Protocols:             protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow,
			// A quiet stream carries no bytes: the pings find a dead connection, and keep balancers from closing it.
			SendPingTimeout: 20 * time.Second,
			PingTimeout:     15 * time.Second,
		},
	}
	authorized, err := rest.HTTPWrappersForConfig(cfg, transport)
	if err != nil {
		return nil, fmt.Errorf("log source: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("log source: %w", err)
	}
	return SourceOver(base, authorized), nil
}

// SourceOver returns the Source of the API server at base, to which the transport leads.
func SourceOver(base *url.URL, transport http.RoundTripper) Source {
	return &apiSource{base: base, client: &http.Client{Transport: transport}}
}

// proxyOf returns the kubeconfig's proxy, or the environment's: logs come the way that watches come.
func proxyOf(cfg *rest.Config) func(*http.Request) (*url.URL, error) {
	if cfg.Proxy != nil {
		return cfg.Proxy
	}
	return http.ProxyFromEnvironment
}

// dialOf returns the config's dialer, which may be that of a login whose connections end with it, or a plain one.
func dialOf(cfg *rest.Config) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	t, err := cfg.TransportConfig()
	if err != nil {
		return nil, err
	}
	if t.DialHolder != nil {
		return t.DialHolder.Dial, nil
	}
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext, nil
}

// Open asks the API server. The body must be closed.
func (s *apiSource) Open(ctx context.Context, r Request) (io.ReadCloser, error) {
	u := s.base.JoinPath("api/v1/namespaces", r.Namespace, "pods", r.Pod, "log")
	u.RawQuery = r.query().Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10)) // only to say more; the status is what counts
	return nil, fmt.Errorf("open log: %w", refusal(response.StatusCode, string(text)))
}

func (r Request) query() url.Values {
	q := url.Values{"container": {r.Container}, "timestamps": {"true"}}
	if r.Follow {
		q.Set("follow", "true")
	}
	if r.Previous {
		q.Set("previous", "true")
	}
	if r.Since > 0 {
		q.Set("sinceTime", time.Unix(0, r.Since).UTC().Format(time.RFC3339))
	}
	if r.Tail > 0 {
		q.Set("tailLines", strconv.FormatInt(r.Tail, 10))
	}
	if r.Limit > 0 {
		q.Set("limitBytes", strconv.FormatInt(r.Limit, 10))
	}
	return q
}

// refusal tells what a status other than 200 means. 204 is the API server's answer for a pod without a node; a 400
// names a container that waits, or one that has no previous instance.
func refusal(status int, text string) error {
	switch {
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %s", errGone, message(text))
	case status == http.StatusNoContent:
		return fmt.Errorf("%w: the pod has no node", errNoLog)
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w: %s", errNoLog, message(text))
	default:
		return fmt.Errorf("status %d: %s", status, message(text))
	}
}

// message takes the sentence out of a metav1.Status, or the start of whatever came.
func message(text string) string {
	if _, rest, ok := strings.Cut(text, `"message":"`); ok {
		if sentence, _, ok := strings.Cut(rest, `","`); ok {
			return sentence
		}
	}
	return text[:min(len(text), 200)]
}
