// Package linetest makes lines and frames for tests, and compares them. It imports nothing but archive itself, so that
// the tests of the lowest packages can use it; what needs a spool, a store or a reader is in archivetest.
//
// Lines are the same in each run: those that look random are made from a fixed seed.
package linetest
