// Package integration is the fault suite: it runs the daemon's parts against a real API server, a fake node that plays
// faults, and a store that can break, and compares what is in the archive with what the containers wrote.
//
// It promises that a test passes only where every line is in the archive exactly once and in order, and where lines may
// be missing only inside gaps that the manifest lists. A crash is played by taking the spool's folder away from the
// daemon at one instant: what it held in memory, and what it writes later, is gone.
package integration
