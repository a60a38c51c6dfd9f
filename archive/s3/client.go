package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	tries          = 3 // of one request, before its error goes to the caller
	maxBackoff     = 2 * time.Second
	dialTimeout    = 10 * time.Second
	idlePerHost    = 64 // connections kept open; the SDK's 10 would be reopened all the time by parallel puts
	customRegion   = "us-east-1"
	keepAlive      = 30 * time.Second
	expectContinue = time.Second
)

func newClient(ctx context.Context, cfg Config) (*s3.Client, error) {
	// The SDK's own kind of client, so that AWS_CA_BUNDLE works. It also serves the credential chain, whose requests
	// would wait for an answer for ever without the timeout.
	base := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = cfg.Timeout
	})
	loaded, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(base), config.WithRegion(cfg.Region),
		config.WithRetryer(newRetryer))
	if err != nil {
		return nil, fmt.Errorf("load AWS settings: %w", err)
	}
	transport, err := newTransport(cfg, loaded.HTTPClient)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
		o.HTTPClient = &http.Client{
			Transport: &watchdog{base: transport, timeout: cfg.Timeout},
			// S3 redirects to other regions without what is needed to sign again: the redirect is the error.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		adapt(o, cfg.PathStyle)
	})
	if client.Options().Region == "" {
		return nil, errors.New("region is empty, want the bucket's region in the settings or in AWS_REGION")
	}
	return client, nil
}

// adapt sets what differs between AWS and the stores that only speak its protocol. Those often know neither trailing
// checksums (some store the framing inside the object) nor virtual hosts; some answer a range with the checksum of the
// whole. There the checksum of a small body still goes along as a plain header, and reads are checked by the archive's
// own checksums.
func adapt(o *s3.Options, pathStyle *bool) {
	o.DisableLogOutputChecksumValidationSkipped = true
	custom := o.BaseEndpoint != nil
	if custom {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if o.Region == "" {
			o.Region = customRegion
		}
	}
	o.UsePathStyle = custom
	if pathStyle != nil {
		o.UsePathStyle = *pathStyle
	}
}

// newRetryer tries a request again a few times. It keeps no bucket of retry tokens: in an outage that bucket runs dry
// and then every request fails at the first hiccup. The long wait of an outage is the caller's.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = tries
		o.MaxBackoff = maxBackoff
		o.RateLimiter = ratelimit.None
	})
}

func newTransport(cfg Config, loaded aws.HTTPClient) (http.RoundTripper, error) {
	if cfg.HTTPClient != nil {
		if cfg.HTTPClient.Transport == nil {
			return http.DefaultTransport, nil
		}
		return cfg.HTTPClient.Transport, nil
	}
	base, ok := loaded.(*awshttp.BuildableClient)
	if !ok {
		return nil, fmt.Errorf("AWS settings gave an HTTP client of type %T, want %T", loaded, base)
	}
	roots, err := loadRoots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return base.WithTransportOptions(func(t *http.Transport) { tune(t, cfg.Timeout, roots) }).GetTransport(), nil
}

func tune(t *http.Transport, timeout time.Duration, roots *x509.CertPool) {
	t.DialContext = (&net.Dialer{Timeout: min(timeout, dialTimeout), KeepAlive: keepAlive}).DialContext
	t.TLSHandshakeTimeout = min(timeout, dialTimeout)
	t.ResponseHeaderTimeout = 0 // the watchdog's, which says more
	t.ExpectContinueTimeout = expectContinue
	t.MaxIdleConns = 2 * idlePerHost
	t.MaxIdleConnsPerHost = idlePerHost
	t.DisableCompression = true // the objects' bytes as they are
	if roots != nil {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = roots
	}
}

// loadRoots returns the system's certificates and those of the file, or nil where there is no file.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate, want PEM blocks of type CERTIFICATE", file)
	}
	return roots, nil
}
