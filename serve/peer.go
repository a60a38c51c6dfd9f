package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/metrics"
	"github.com/epilogue-dev/epilogue/serve/access"
)

// Cluster says what is known of a target beside its logs. It asks nobody: what it knows comes to it by events.
type Cluster interface {
	// Holder returns host:port of the API of the other replica that has the logs of the target that are open, "" where
	// it is this one, where no log is open, or where nobody knows.
	Holder(target archive.Target) string
	// AwaitGone returns nil once no Job of the target exists, so that it gets no other pod. Its error is the context's;
	// where nobody knows it waits for that.
	AwaitGone(ctx context.Context, target archive.Target) error
	// Unfinished says that there is a Job of the target that has not ended, and may have had no pod so far.
	Unfinished(target archive.Target) bool
}

// forwarded marks a request that a replica has passed on: the one that gets it answers from what it has, so that two
// replicas that each take the other for the owner do not pass it on for ever.
const forwarded = "X-Epilogue-Forwarded"

// peering passes requests on to the replica that holds the log. It sends the caller's own token along, so that the
// other replica asks for the same rights: a replica trusts none of the others. Nor does it send a token to whoever
// answers at an address: without a certificate only one goes there that is good for nothing else (access.OnlyFor).
type peering struct {
	cluster   Cluster
	audience  string
	transport http.RoundTripper
	scheme    string
	metrics   *metrics.Serve
	log       *slog.Logger
}

const (
	peerConnect = 2 * time.Second  // a replica that is gone must not hold up who asks
	peerAnswer  = 15 * time.Second // until the head of its answer
)

func newPeering(parts Parts, audience string) *peering {
	p := &peering{cluster: parts.Cluster, audience: audience, scheme: "http", metrics: parts.Metrics, log: parts.Log}
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: peerConnect}).DialContext,
		TLSHandshakeTimeout: peerConnect, ResponseHeaderTimeout: peerAnswer, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8,
		DisableCompression: true,
	}
	if parts.Certificate != nil {
		p.scheme = "https"
		t.TLSClientConfig = sameCertificate(parts.Certificate)
	}
	p.transport = t
	return p
}

// sameCertificate takes a replica for what it says to be if it serves the certificate that this one serves: the
// replicas of a release share it, and are reached at addresses that it does not name.
func sameCertificate(own func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			c, err := own()
			if err != nil {
				return err
			}
			leaf, err := x509.ParseCertificate(c.Certificate[0])
			if err != nil {
				return err
			}
			if !leaf.Equal(s.PeerCertificates[0]) {
				return errors.New("the other replica serves another certificate")
			}
			return nil
		},
	}
}

// What comes of asking another replica.
const (
	resultAnswered = "answered"
	resultGone     = "gone"
	// It was not asked: nothing proves that a replica is there, and the token is good elsewhere.
	resultWithheld = "withheld"
)

// answer passes the request on where another replica holds what is asked for. False: it does not, or it cannot be
// reached; nothing is written then, and this replica answers from what is in the store.
func (p *peering) answer(w http.ResponseWriter, r *http.Request, target archive.Target) bool {
	if p.cluster == nil || r.Header.Get(forwarded) != "" {
		return false
	}
	host := p.cluster.Holder(target)
	if host == "" {
		return false
	}
	if p.scheme == "http" && !access.OnlyFor(r.Header, p.audience) {
		p.metrics.Forwarded.WithLabelValues(resultWithheld).Inc()
		return false
	}
	var failed error
	proxy := &httputil.ReverseProxy{
		Transport: p.transport, FlushInterval: -1,
		Rewrite: func(out *httputil.ProxyRequest) {
			out.SetURL(&url.URL{Scheme: p.scheme, Host: host})
			out.Out.Header.Set(forwarded, "1")
			out.Out.Header.Del("Cookie") // a proxy's before us, for all we know
		},
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
		ModifyResponse: busyElsewhere,
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	// It panics with http.ErrAbortHandler where the other replica's answer is broken off, as is right for ours.
	proxy.ServeHTTP(w, r)
	if failed != nil {
		p.metrics.Forwarded.WithLabelValues(resultGone).Inc()
		if !errors.Is(failed, context.Canceled) {
			p.log.Warn("other replica does not answer; its journal does", "replica", host, "err", failed)
		}
		return r.Context().Err() != nil
	}
	p.metrics.Forwarded.WithLabelValues(resultAnswered).Inc()
	return true
}

// busyElsewhere: what another replica cannot give now, or does not hold any more, is no reason to give nothing.
func busyElsewhere(r *http.Response) error {
	if r.StatusCode >= http.StatusInternalServerError || r.StatusCode == http.StatusNotFound {
		return errors.New("other replica: " + r.Status)
	}
	return nil
}
