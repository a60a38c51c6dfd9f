// Package patient is about stores that do not do what a store should at the moment, or never do it: a Breaker waits an
// outage out, one request asking for all; a probe finds out what a store really does; LookFirst and Partly go another
// way where it does not keep conditions, or gives no parts of objects.
//
// Promise: who waits here waits for an outage's end or his context's, and is told nothing in between; an error that is
// an answer is given at once. It keeps nothing: a crash leaves at most the object of a probe, which the next one
// removes.
package patient
