package config

import (
	"errors"
	"net"
	"time"
)

// Serve says how logs are given back over HTTP.
type Serve struct {
	Listen           string // host:port; "": not at all
	Auth             string // authKubernetes or authNone
	Audience         string // of tokens, besides the API server's own
	CertFile         string // PEM; "": without TLS
	KeyFile          string // PEM; set together with CertFile
	MaxStreams       int    // answers given at once
	MaxStreamsOfUser int    // of these to one user
	MemoryOfUser     int64  // bytes that the answers to one user take together
	WriteTimeout     time.Duration
	Loki             bool // Loki's read API beside our own
}

const groupServe = "Retrieval"

// The ways to find out who asks.
const (
	authKubernetes = "kubernetes"
	authNone       = "none"
)

// off turns a listener off: a variable that is set but empty counts as not set.
const off = "off"

func serveSettings() []setting {
	return []setting{{
		name: "api-listen", group: groupServe, kind: "host:port|off", def: ":8000",
		help: "Address of the API that gives logs back; off means that there is none.",
		set:  field(func(c *Config) *string { return &c.Serve.Listen }, listenAddressOrOff),
	}, {
		name: "api-auth", group: groupServe, kind: "kubernetes|none", def: authKubernetes,
		help: "Who may ask the API: kubernetes asks the API server whose token it is and whether its owner may get pods/log; none lets everybody, and is only for an address on the loopback.",
		set:  field(func(c *Config) *string { return &c.Serve.Auth }, oneOf(authKubernetes, authNone)),
	}, {
		name: "api-audience", group: groupServe, kind: "name", def: "epilogue",
		help: "Audience of tokens that are taken besides those for the API server itself, as in kubectl create token --audience.",
		set:  field(func(c *Config) *string { return &c.Serve.Audience }, asIs),
	}, {
		name: "api-tls-cert-file", group: groupServe, kind: "path",
		help: "PEM file with the API's certificate, read again when it changes; empty means without TLS, for a network where that is safe.",
		set:  field(func(c *Config) *string { return &c.Serve.CertFile }, asIs),
	}, {
		name: "api-tls-key-file", group: groupServe, kind: "path",
		help: "PEM file with the key of api-tls-cert-file.",
		set:  field(func(c *Config) *string { return &c.Serve.KeyFile }, asIs),
	}, {
		name: "api-max-streams", group: groupServe, kind: "count", def: "500",
		help: "Answers of the API that are given at the same time at most; more are refused with status 429.",
		set:  field(func(c *Config) *int { return &c.Serve.MaxStreams }, count(100_000)),
	}, {
		name: "api-max-streams-per-user", group: groupServe, kind: "count", def: "50",
		help: "Of these, answers to one user at most.",
		set:  field(func(c *Config) *int { return &c.Serve.MaxStreamsOfUser }, count(100_000)),
	}, {
		name: "api-memory-per-user", group: groupServe, kind: "bytes", def: "64Mi",
		help: "Bytes of memory that all answers to one user take together at most; what would take more is refused with status 429, or waits.",
		set:  field(func(c *Config) *int64 { return &c.Serve.MemoryOfUser }, quantityOfBytes("16Mi")),
	}, {
		name: "api-write-timeout", group: groupServe, kind: "duration", def: "30s",
		help: "How long a client of the API may leave unread what was sent to it before it is cut off.",
		set:  field(func(c *Config) *time.Duration { return &c.Serve.WriteTimeout }, duration(time.Second, time.Hour)),
	}, {
		name: "api-loki", group: groupServe, kind: "bool", def: "true",
		help: "Whether the API also answers Loki's read API, below /loki/api/v1, so that Grafana and logcli read the archive with the same rights.",
		set:  field(func(c *Config) *bool { return &c.Serve.Loki }, boolean),
	}}
}

func listenAddressOrOff(text string) (string, error) {
	if text == off {
		return "", nil
	}
	address, err := listenAddress(text)
	if err != nil {
		return "", errors.New("want an address as host:port or :port, such as :8000 or 127.0.0.1:8000, or off")
	}
	return address, nil
}

// checkServe refuses an API that everybody could read, and half a certificate.
func (l *loading) checkServe() {
	s := &l.config.Serve
	l.checkPair("api-auth", "api-listen", s.Auth != authNone || s.Listen == "" || onLoopback(s.Listen),
		"want kubernetes, or an address on the loopback such as 127.0.0.1:8000: whoever reaches the address could read every log")
	l.checkPair("api-tls-cert-file", "api-tls-key-file", s.CertFile == "" || s.KeyFile != "", "want the file of its key in api-tls-key-file, too")
	l.checkPair("api-tls-key-file", "api-tls-cert-file", s.KeyFile == "" || s.CertFile != "", "want the file of its certificate in api-tls-cert-file, too")
	for _, other := range []struct{ name, address string }{
		{"health-listen", l.config.Process.HealthListen}, {"metrics-listen", l.config.Process.MetricsListen},
	} {
		_, port, err := net.SplitHostPort(s.Listen)
		l.checkPair("api-listen", other.name, s.Listen != other.address || err == nil && port == "0", "want another address than "+other.name)
	}
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
