// Package cli is `kubectl epilogue`: logs that outlived their pods, for people and scripts.
//
// It reads the archive through archive.Reader where --archive names it, or through the daemon's API, and by no other
// way. It changes nothing in the archive; in the cluster it changes what `release`, `run`, `build` and `cancel` are
// asked to change. Nothing is kept between two calls, so there is nothing that a crash could leave.
//
// Answers go to standard output, and everything said about them to standard error: a gap in a log is told there, so
// that what a pipe gets is the log alone.
package cli
