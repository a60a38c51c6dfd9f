// Package work has keys worked at by a number of workers: each key once at a time, and again and ever later where the
// work fails. The queues hold nothing that a crash could lose: what has to be done is found in the cluster again.
package work
