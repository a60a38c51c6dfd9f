//go:build race

package watch

// fewer: the race detector makes a schedule some five times as dear, and finds in a fifth of them what it finds in all. `make test`
// plays all of them without it.
const fewer = 5
