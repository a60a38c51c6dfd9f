// Package patient is about stores that do not do what a store should at the moment, or never do it: a Store waits the
// outages of another one out, one request asking for all; a probe finds out what a store really does, and where that
// does not keep conditions, or gives no parts of objects, it goes another way.
//
// Promise: whoever waits here waits for an outage's end or the context's, and hears of nothing in between; an error
// that is an answer is returned at once. It keeps nothing: a crash leaves at most the object of a probe, which nobody
// reads.
package patient
