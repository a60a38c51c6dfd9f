// Package find finds which pods, logs and Jobs there are, and where each is: in this process's spool, in the store, or
// in another replica's journal; and lists Jobs.
//
// It looks into the spool before it looks into the store: a pod leaves the spool only after its manifest is there, so
// that one of the two has it. It changes nothing, and what it remembers is bounded and may be lost.
package find
