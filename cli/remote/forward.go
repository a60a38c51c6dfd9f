package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Cluster says how the daemon is reached through the API server.
type Cluster struct {
	Client kubernetes.Interface
	REST   *rest.Config // of the same user
	// Auth puts credentials on the requests to the daemon; nil: none.
	Auth func(http.RoundTripper) (http.RoundTripper, error)

	Daemon string // its namespace, as the user has named it; "": it is looked for
	Jobs   string // the namespace whose Jobs it keeps
	Name   string // value of the label app.kubernetes.io/name of what is the daemon's
}

// ErrNoDaemon says that the cluster has no daemon whose API can be asked.
var ErrNoDaemon = errors.New("no Epilogue with an API was found in the cluster")

const (
	apiPort     = "api" // name of the container's port
	dialTimeout = 30 * time.Second
)

// Dial finds a ready pod of the daemon and opens a port to it. The API server vouches for the pod, so that a
// certificate of its own, if it has one, is not asked for more.
func (c *Cluster) Dial(ctx context.Context) (*Line, error) {
	pod, port, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	local, stop, err := c.forward(ctx, pod, port)
	if err != nil {
		return nil, fmt.Errorf("forward a port to %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true,
	}
	var wrapped http.RoundTripper = transport
	if c.Auth != nil {
		if wrapped, err = c.Auth(transport); err != nil {
			stop()
			return nil, err
		}
	}
	base := &url.URL{Scheme: scheme(ctx, local), Host: local}
	return &Line{Base: base, Client: &http.Client{Transport: wrapped}, Close: func() {
		transport.CloseIdleConnections()
		stop()
	}}, nil
}

// scheme tries whether TLS is spoken there.
func scheme(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "http"
	}
	conn.Close()
	return "https"
}

func portOf(p *corev1.Pod) int32 {
	for _, container := range p.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == apiPort {
				return port.ContainerPort
			}
		}
	}
	return 0
}

func ready(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// forward opens a port on the loopback that leads to the pod's.
func (c *Cluster) forward(ctx context.Context, pod *corev1.Pod, port int32) (address string, stop func(), err error) {
	dialer, err := c.dialer(pod)
	if err != nil {
		return "", nil, err
	}
	stopping, up := make(chan struct{}), make(chan struct{})
	f, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stopping, up, io.Discard, io.Discard)
	if err != nil {
		return "", nil, err
	}
	var ended error // written before done is closed
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended = f.ForwardPorts()
	}()
	stop = func() {
		close(stopping)
		<-done
	}
	timer := time.NewTimer(dialTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return "", nil, cmp.Or(ended, errors.New("it ended at once"))
	case <-ctx.Done():
		stop()
		return "", nil, ctx.Err()
	case <-timer.C:
		stop()
		return "", nil, fmt.Errorf("no answer in %s", dialTimeout)
	case <-up:
	}
	ports, err := f.GetPorts()
	if err != nil {
		stop()
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), stop, nil
}

// dialer speaks WebSocket, and SPDY where the API server or something before it does not know that; kubectl does the
// same.
func (c *Cluster) dialer(pod *corev1.Pod) (httpstream.Dialer, error) {
	base, _, err := rest.DefaultServerUrlFor(c.REST)
	if err != nil {
		return nil, err
	}
	u := base.JoinPath("api/v1/namespaces", pod.Namespace, "pods", pod.Name, "portforward")
	transport, upgrader, err := spdy.RoundTripperFor(c.REST)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(u, c.REST)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// Direct returns a way to an API whose address is known. Credentials go over TLS only, unless it is this machine.
func Direct(address string, auth func(http.RoundTripper) (http.RoundTripper, error)) (*Line, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("address of the daemon is %q, want one such as https://epilogue.example.com", address)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && !(ip != nil && ip.IsLoopback()) && !strings.EqualFold(u.Hostname(), "localhost") {
		return nil, fmt.Errorf("address of the daemon is %q, want https: your credentials are sent there", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	wrapped, err := auth(transport)
	if err != nil {
		return nil, err
	}
	return &Line{Base: u, Client: &http.Client{Transport: wrapped}, Close: transport.CloseIdleConnections}, nil
}
