//go:build !race

package watchtest

// Fewer is the part of all schedules that is played: here, all of them. The race detector plays a fifth.
const Fewer = 1
