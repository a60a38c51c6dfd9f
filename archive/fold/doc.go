// Package fold keeps long keys in stores that refuse names as long as a Kubernetes name can make them: parts of a key
// that are too long are folded into folders, and unfolded in lists. Keys outside of it stay what they are.
//
// It keeps nothing; an object's place follows from its key alone.
package fold
