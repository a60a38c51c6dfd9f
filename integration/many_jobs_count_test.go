//go:build integration && !faults

package integration

// finishedJobs is how many Jobs stand in the API server when the daemon starts. A hundred thousand take minutes on two
// processors, most of them for etcd and the API server: `make faults` has them (252 s, 3,524 bytes of each Job held).
// What grows with them shows with a tenth.
const finishedJobs = 10_000
