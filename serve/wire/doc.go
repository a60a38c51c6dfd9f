// Package wire is the API's JSON: each message that the daemon answers or takes, the place from which an answer goes
// on, and the names of what stands between the lines of one. The daemon writes by it and the command line reads by it,
// so that neither has a copy that the other one outgrows.
//
// It knows the archive's words, and neither HTTP nor Kubernetes. A field may be added at any time and is never renamed:
// a daemon and a command line of different versions talk with each other.
package wire

// Types of an answer with lines.
const (
	Objects = "application/x-ndjson" // one JSON object on each line
	Events  = "text/event-stream"
)

// Names of what is no line: of an event, and of the only key of an object.
const (
	EndName    = "end"    // of End, the last thing that a whole answer says
	ErrorName  = "error"  // of the API server's Status, the last thing that a broken answer says
	DamageName = "damage" // of Damage
)

// LastEventID is the header with the Place from which an answer is to go on.
const LastEventID = "Last-Event-ID"

// ManifestHeader says of a manifest whether it is Sealed, or Open: one that is open is no promise.
const (
	ManifestHeader = "X-Manifest"
	Sealed         = "sealed"
	Open           = "open"
)

// MaxNumber bounds numbers of lines and bytes, so that one more never overflows.
const MaxNumber = 1 << 62
