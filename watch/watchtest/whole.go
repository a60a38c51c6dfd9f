//go:build !race

package watch

// fewer than all schedules of a model are played under the race detector only.
const fewer = 1
