// Package journal is the write-ahead log of one replica in the store: one object for each interval holds the new frames
// of all open logs, so that the number of requests does not grow with the number of logs; it compacts them, removes
// what nobody needs any more, and reads what others have written.
//
// Promise: it never holds up whoever appends, and an object is there whole or not at all. A crash loses at most what no
// object holds yet: those lines are read again from the kubelet. Objects of the dead that are of no use any more are
// removed by the next Collect, of any replica.
package journal
