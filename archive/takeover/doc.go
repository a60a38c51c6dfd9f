// Package takeover puts the logs of a dead replica, or of an earlier life of this one, from its journal into this
// spool, as if this process had written them.
//
// Promise: of several that held a log the highest epoch wins, even against more lines; but a replica that died before
// it journaled again what it had taken holds less than its source, and then the source wins. It may be repeated, also
// after a crash: each pod's draft comes last, so that nobody seals a pod from a part of its logs.
package takeover
