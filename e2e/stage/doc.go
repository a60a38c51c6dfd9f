// Package stage sets up what the end-to-end tests and the demo play on: in namespaces that enforce the restricted
// profile, an S3 server, the daemon as its chart installs it, and sample Jobs. It looks at all of it from outside only:
// through the API server and the bucket.
//
// It owns the namespaces that it makes. A run that is killed leaves them; the next Open with the same names cleans up.
package stage
