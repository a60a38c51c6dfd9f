// Package lease says who is live and who owns what. It keeps this replica's Lease and sees those of the others, and
// gives each Job to one of those that live.
//
// It promises that a replica acts by its own View only while nobody can have deleted its Lease for its age, and that
// every replica computes the same owner from the same View. For a while two views may differ: what follows from that
// is stopped by conditional writes, not here.
//
// What survives a crash: the Lease, in the API server, until it lapses. The next life of the replica renews it.
package lease
