// Package format reads and writes the bytes that docs/format.md describes: frames, their columns, the index of a log
// object, the index of a journal object, documents, and parts of objects in a store. No other package knows a magic
// number.
//
// Promise: what was encoded is decoded as it was; bytes that were not written so are archive.ErrDamaged, whatever they
// are, and cost no more memory than their own size allows. Every version that was ever written is read. It keeps
// nothing, so that a crash leaves nothing of it.
package format
