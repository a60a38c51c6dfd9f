package archive

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

// Source says where lines came from.
type Source string

// The sources.
const (
	FromLive    Source = "live"    // the spool and the memory of this process
	FromJournal Source = "journal" // frames that a replica has put into the store before the seal
	FromArchive Source = "archive" // a sealed log object
	FromMixed   Source = "mixed"   // several of them
)

// Entry is one line of an answer.
type Entry struct {
	// Line is good until the next Entry is asked for: its text is not a copy.
	Line
	Number   int64     // of the line in its log, counted from 1
	Offset   int64     // of the first byte of Text in the log's text; -1: not known, see Answer
	Instance *Instance // whose line it is; the same for all lines of a log, not to be changed
	Context  bool      // the line does not match; it stands near one that does
}

// LogStatus says of one instance what is known of its log.
type LogStatus struct {
	// InstanceRecord is the manifest's, or what is known so far: Verdict is "" while the log is open, and Log is nil
	// where there is no log object (yet).
	InstanceRecord
	Source  Source // where its lines are; "" where no line is held
	Lines   int64  // that are held
	Bytes   int64  // of text
	Replica string // whose journal it was read from; "" elsewhere
}

// Answer is what is there for a query. Nothing is read before Entries is ranged over, and an Answer needs no Close.
type Answer struct {
	Source Source // of all logs together; "" where no line is held
	// Logs are the instances that the query names, in the order in which they come. Where one has no lines its Verdict
	// and Reason say why.
	Logs []LogStatus
	// Over says that no line will ever come but those that Entries gives: all pods are sealed, and no further one
	// will come. Had says that all lines of all Logs, which have ended, were had before, as After and Mark say.
	Over, Had bool
	// Entries gives the lines: log after log; with Follow those of logs that are open at once as they come. It may be
	// ranged over once. Stopping early costs nothing.
	//
	// An error that is a *DamageError says which lines cannot be read; ranging on gives the lines after them. Any other
	// error is the last thing that comes: it is the store's, or the context's, and the same query with After set goes
	// on behind it.
	//
	// Of an instance whose verdict is lost, empty or never-started there are no entries: Logs tells.
	Entries iter.Seq2[Entry, error]
}

// DamageError says that stored bytes cannot be read: which ones, and which lines are missing for it. It wraps
// ErrDamaged.
type DamageError struct {
	Instance  Instance
	Key       Key   // of the log object or journal object; "" where the spool is damaged
	Frame     int   // in the object, counted from 0; -1: its index
	AfterLine int64 // number of lines before the damage
	Lines     int64 // that cannot be read; 0: not known
	From, To  int64 // earliest and latest time among them, ns since 1970; 0: not known
	Err       error
}

func (e *DamageError) Error() string {
	where := "spool of " + e.Instance.String()
	if e.Key != "" {
		where = string(e.Key)
	}
	part := fmt.Sprintf("frame %d", e.Frame)
	if e.Frame < 0 {
		part = "index"
	}
	return fmt.Sprintf("read %s of %s: %d lines after line %d: %v", part, where, e.Lines, e.AfterLine, e.Err)
}

// Unwrap returns the cause, which is ErrDamaged.
func (e *DamageError) Unwrap() error { return e.Err }

// JobQuery says which Jobs to list.
type JobQuery struct {
	Namespace string // "": all
	Workload  string // a workload's id; "": all
	// Since and Until bound the day, UTC, on which the Job was created, both days included. Zero: no bound. They do not
	// apply together with Workload.
	Since, Until time.Time
	// After is the Cursor of the last Job that was had: the list goes on behind it. "" is the start.
	After string
}

// KeptJob is one Job of a list, or a pod without a Job. Its maps and slices are shared with other lists and must not be
// changed.
type KeptJob struct {
	PodRef // without the pod, unless it is a pod without a Job
	// Document is the Job's, where Finished; else it is made of what is known of its pods so far.
	Document JobDocument
	Finished bool   // job.json is there
	Open     bool   // some of its pods are not sealed yet
	Cursor   string // to go on behind this Job; opaque

	SealedAt time.Time // when the last of its pods was sealed, where the document is made of them
}

// Validate returns a *QueryError for the first field that is wrong, nil where the list can be given.
func (q *JobQuery) Validate() error {
	for _, part := range []struct{ field, value string }{{"Namespace", q.Namespace}, {"Workload", q.Workload}} {
		if part.value != "" && !PlainName(part.value) {
			return BadQuery(part.field, part.value, "a name without slashes that does not start with a dot")
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since) {
		return BadQuery("Until", q.Until.Format(time.RFC3339), "not before Since ("+q.Since.Format(time.RFC3339)+")")
	}
	if q.After != "" && !strings.HasPrefix(q.After, q.CursorFolder()) {
		return BadQuery("After", q.After, "the Cursor of a Job in the same list")
	}
	return nil
}

// CursorFolder returns what the cursors of the Jobs of this list begin with: "workload/<id>/" for those of a workload,
// else "day/". A cursor of the one kind of list says nothing in the other, so Validate refuses it.
func (q *JobQuery) CursorFolder() string {
	if q.Workload != "" {
		return "workload/" + q.Workload + "/"
	}
	return "day/"
}
