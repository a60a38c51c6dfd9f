// Package disk counts the room on the disk that a spool lives on: bytes against a limit, and what the disk itself still
// has below that, which somebody else may fill.
//
// Promise: what is refused is refused with ErrFull and nothing of it is on disk, and whoever waits in Room is woken
// when there is room again. A log can be sealed only by appending to it, and only that makes room: a file of the
// spool's own holds the room for that, and is given up for it. A crash leaves the file, or a part of it; the next start
// makes it whole.
package disk
