// Package bounded is a cache of what was read from the store, by bytes and not by entries. What is in it may go at any
// time.
package bounded
