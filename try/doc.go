// Package try shows somebody what Epilogue does on his own cluster: it archives the Jobs of one namespace into a
// folder, and tells on the screen, as it comes, what happens to them, what they write and how much of it is kept.
//
// It promises to leave no trace in the cluster: it sends nothing but requests to get, list and watch. So it asks by
// those what it may do, holds no Lease, and has no janitor; pods go when the cluster lets them go, and what had not
// been read by then is a gap.
//
// What survives a crash: the folder. The next trial in it goes on from the spool that the last one left there. A lock
// keeps two trials out of one folder, and goes with its process.
package try
