//go:build !race

package cleanup

// fewer than the whole number of objects are played under the race detector only.
const fewer = 1
