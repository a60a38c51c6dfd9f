// Package follow reads the log of one container instance, from its first line to the proof of its last: a Follower
// for each. It owns how the log API is asked and what its answers are worth: streams that end without a word, errors
// that look like lines, files that are rotated, clocks that are set back, names that mean another instance.
//
// It promises that every line is appended to the log once and in order, and that every doubt is a gap in it.
//
// What survives a crash: nothing here. The log says what is held, and reading goes on from its last line, which the
// overlap with what is served again proves or makes a gap of.
package follow
