// Package pods reads what Kubernetes says of a pod or a Job, and nothing else: whose it is, which instances its
// status names and how they can be read, whether it is over, what became of it in one line. Its functions are pure.
//
// It owns the form in which objects are cached, without environment and arguments (see Trim), and does not believe
// what a user may have written into them: names that could become part of a key by another meaning come no further
// than Claim.
package pods
