// Package spool keeps open logs on the local disk until they are sealed: lines are appended, become frames, and are
// read back by followers, by the sealer and by the journal.
//
// It owns its directory alone. Promise: a line that Append has taken is held exactly once and in its order, within
// Config.FlushInterval on disk, and the bytes on disk and in memory stay below their limits: whoever finds no room is
// refused and waits for it. What survives a crash of the process: all whole frames. The next Open cuts each log after
// its last whole one, and recounts it. What the machine's crash loses is read again, or taken over from the journal.
// Where several hold a log, the highest epoch wins (doubt.go).
package spool
