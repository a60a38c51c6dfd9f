// Package watch sees what happens in the cluster and reads the logs: it owns the informers and their trimmed cache, and
// it follows every container instance from its first line to the proof of its last.
//
// It knows what a log is and not how it is stored, and it deletes nothing. Lines and facts go to package archive.
//
// What survives a crash: nothing here. The informers fill again, the spool says what is held, and every log is read on
// from its last held line, which the overlap check proves or makes a gap of.
package watch
