// Package retention deletes what is older than it is to be kept: Jobs with all that is kept of them, messages, and
// uploads that nobody will end.
//
// Order of deletes: log objects, manifests, the Job's document, and its index keys last, so that a crash leaves what
// the next sweep finds. Nothing goes of a Job that is still open anywhere, and nothing of another cluster.
package retention
