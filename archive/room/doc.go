// Package room bounds the memory that the answers of one reader take together, however many he asks for and whatever he
// asks.
//
// It counts and holds nothing itself.
package room
