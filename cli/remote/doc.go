// Package remote asks the daemon's API for what archive.Reader would give, and answers in the same types.
//
// It promises that a log which is followed comes whole and once although connections break, daemons restart and pods
// move: it asks again, of whichever replica answers then, behind the last line that it had. It keeps nothing.
package remote
