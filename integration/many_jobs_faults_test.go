//go:build integration && faults

package integration

const finishedJobs = 100_000
