// Package read gives the lines of logs back, from wherever they are, merged and in their order: sealed objects, a
// damaged one's whole frames, another replica's journal, this spool and its memory; it follows what is still written,
// and verifies what is kept against the manifests.
//
// Promise: each line once, over every change of place while it reads; what is damaged is told with its bounds and
// passed over. It changes nothing: a crash leaves nothing, and a client goes on from the last line that it has.
package read
