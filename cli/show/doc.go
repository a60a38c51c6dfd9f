// Package show writes what people read: log lines, post-mortems, tables. It knows no store and no network.
//
// It promises that nothing which a container wrote can steer the reader's terminal: see Clean.
package show
