//go:build race

package cleanup

// fewer: the race detector makes each object some ten times as dear, and finds with a tenth of them what it finds with
// all.
const fewer = 10
