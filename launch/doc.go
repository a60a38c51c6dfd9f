// Package launch makes the Jobs that run workloads: runners, and builders of their images. It owns how such a Job looks
// and when it may start, and keeps no state outside the cluster: the queue is the Jobs that are suspended, in the order
// in which they came.
//
// It promises that a request that is repeated gives the same Job; that no more Jobs run than are allowed and that they
// start in order, whoever dies meanwhile and however many replicas there are; and that the values of a workload's
// environment stand in one Secret that goes with the Job, and nowhere else.
//
// A crash at any line leaves Jobs that the next life, or another replica, goes on with: see docs/design.md,
// "What a crash leaves".
package launch
