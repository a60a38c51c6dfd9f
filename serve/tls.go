package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a certificate in two files, read again when they change.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	version [2]fileVersion   // guarded by mu; of the files that current was read from
	looked  time.Time        // guarded by mu
}

// fileVersion tells whether a file is another one than before.
type fileVersion struct {
	at   time.Time
	size int64
}

// lookEvery is how often a handshake looks whether the files are new. Renewals come weeks before they are needed.
const lookEvery = 10 * time.Second

// OpenCertificate reads the files. That they change later to something that cannot be read is no reason to stop: the
// last good pair is served on.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	version, err := c.stat()
	if err != nil {
		return nil, err
	}
	return c, c.read(version)
}

func (c *Certificate) stat() (v [2]fileVersion, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		s, err := os.Stat(name)
		if err != nil {
			return v, fmt.Errorf("look at certificate: %w", err)
		}
		v[i] = fileVersion{s.ModTime(), s.Size()}
	}
	return v, nil
}

// read reads the pair. Both files of a Secret change at once, but other writers replace one after the other: a pair
// that does not fit is tried again at the next look.
func (c *Certificate) read(version [2]fileVersion) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.version = &pair, version
	return nil
}

// Current returns the certificate to serve.
func (c *Certificate) Current() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < lookEvery {
		return c.current, nil
	}
	c.looked = time.Now()
	version, err := c.stat()
	if err == nil && version != c.version {
		if err = c.read(version); err == nil {
			c.log.Info("certificate has changed", "file", c.certFile)
		}
	}
	if err != nil {
		c.log.Warn("certificate cannot be read anew; the last one is served on", "err", err)
	}
	return c.current, nil
}
