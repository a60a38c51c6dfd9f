// Package watch sees what happens in the cluster and has the logs read, sealed and handed over: it owns the informers
// and their trimmed cache, the queues, and what is known of every pod that is not sealed. How one log is read is
// package follow's, who owns it package lease's, and what a pod says package pods'.
//
// It knows what a log is and not how it is stored, and it deletes nothing. Lines and facts go to package archive.
//
// What survives a crash: nothing here. The informers fill again, the spool says what is held, and every log is read
// on from its last held line.
package watch
