// Package seal moves a log that has ended from the spool into the store for good: log object, then the pod's manifest,
// read back, then the index keys; and a Job's document once its pods are sealed.
//
// Promise: an object that is there is never replaced by another text; a manifest names only objects that are there,
// whole. Every step may be repeated, by any replica: a crash between two leaves the spool's log, from which the next
// start goes on, and at most a log object without a manifest, which the same text finds again.
package seal
