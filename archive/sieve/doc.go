// Package sieve decides which lines of a log go through: bounds and times, expressions and what stands around a match,
// the last so many. It reads a log by sections, from whatever holds one (Holding), and leaves out those in which
// nothing can be.
//
// It asks no store and keeps nothing but the lines around a match, whose memory is bounded.
package sieve
