// Package archive keeps the logs of container instances and gives them back.
//
// It owns the format of everything that is kept (frames, log objects, manifests, keys), the spool on the local disk and the
// seal that moves a log from the spool into a Store, and the Reader that gives lines back from wherever they are. It knows nothing of Kubernetes: package watch brings lines and
// facts in, and says when an instance has ended.
//
// Promise: a line that Append has taken is in the sealed log exactly once and in the order in which it was appended, and
// what could not be had is written down as a Gap. What survives a crash of the process: every line that was flushed
// (Config.FlushInterval at the latest). Lines after that are read again from the kubelet, and the overlap check of
// package watch finds out if that is no longer possible. What survives the loss of the disk: what is
// sealed, and what is in the Journal, from which another replica goes on.
package archive
