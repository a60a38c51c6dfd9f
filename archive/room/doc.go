// Package room bounds the memory that the answers of one reader take together, however many it asks for and whatever it
// asks.
//
// It counts and holds nothing itself.
package room
