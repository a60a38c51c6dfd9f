// Package watchtest holds what the tests of several of watch's packages share: schedules by seeds, a process that
// writes as it likes with the judge of what was archived of it, and an API server for Leases. It imports none of
// those packages, so that their internal tests can use it.
package watchtest
