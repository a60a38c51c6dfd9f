//go:build race

package watchtest

// Fewer is the part of all schedules that is played. The race detector makes a schedule some five times as dear, and
// finds in a fifth of them what it finds in all. `make test` plays all of them without it.
const Fewer = 5
