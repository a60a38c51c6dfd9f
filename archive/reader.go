package archive

import (
	"context"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/singleflight"
)

// ReaderConfig says where a Reader finds logs.
type ReaderConfig struct {
	Store Store  // required
	Codec *Codec // required
	// Spool is that of this process, where the logs are that it follows; nil: the process follows none, as a command line
	// tool. What other replicas hold open is read from their journals.
	Spool *Spool
	// Replica is this process's name, whose journal holds nothing that Spool does not; "" with a nil Spool.
	Replica string
	// Poll is how often the store is looked at while following what another replica holds; 0 is 5 s, the interval of a
	// journal. What this process holds itself is waited for, not looked at.
	Poll time.Duration
}

// Reader gives logs back, wherever they are: in the store as log objects, in the journal of a replica, in the spool and the
// memory of this process. It changes nothing. Safe for concurrent use.
//
// What it holds in memory are some frames for each answer that is being read, whatever the size of the logs.
type Reader struct {
	*Finder
	turns chan struct{} // a token for each answer that matches an expression at this moment
}

// NewReader makes a Reader.
func NewReader(cfg ReaderConfig) *Reader {
	return &Reader{NewFinder(cfg), newTurns()}
}

// Finder finds the pods and logs that a target names, wherever they are. It changes nothing. Safe for concurrent use.
type Finder struct {
	cfg      ReaderConfig
	journals journalCache
	lists    listCache
	finding  singleflight.Group // by target and the spool's count of news
}

// NewFinder makes a Finder.
func NewFinder(cfg ReaderConfig) *Finder {
	if cfg.Poll <= 0 {
		cfg.Poll = 5 * time.Second
	}
	return &Finder{cfg: cfg, journals: newJournalCache(), lists: newListCache()}
}

// Source says where lines came from.
type Source string

// The sources.
const (
	FromLive    Source = "live"    // the spool and the memory of this process
	FromJournal Source = "journal" // frames that a replica has put into the store before the seal
	FromArchive Source = "archive" // a sealed log object
	FromMixed   Source = "mixed"   // several of them
)

// LogID names an instance within everything that is kept. It is a key of maps, and what a client is given to resume with.
type LogID struct {
	Pod       PodUID
	Container string
	Restart   int
}

// ID is what names the instance's log.
func (i Instance) ID() LogID { return LogID{i.PodUID, i.Container, i.Restart} }

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
	// InstanceRecord is the manifest's, or what is known so far: Verdict is "" while the log is open, and Log is nil where
	// there is no log object (yet).
	InstanceRecord
	Source  Source // where its lines are; "" where no line is held
	Lines   int64  // that are held
	Bytes   int64  // of text
	Replica string // whose journal it was read from; "" elsewhere
}

// Answer is what is there for a query. Nothing is read before Entries is ranged over, and an Answer needs no Close.
type Answer struct {
	Source Source // of all logs together; "" where no line is held
	// Logs are the instances that the query names, in the order in which they come. Where one has no lines its Verdict and
	// Reason say why.
	Logs []LogStatus
	// Over says that no line will ever come but those that Entries gives: all pods are sealed, and no further one
	// will come. Had says that all lines of all Logs, which have ended, were had before, as After and Mark say.
	Over, Had bool
	// Entries gives the lines: log after log; with Follow those of logs that are open at once as they come. It may be ranged
	// over once. Stopping early costs nothing.
	//
	// An error that is a *DamageError says which lines cannot be read; ranging on gives the lines after them. Any other error
	// is the last thing that comes: it is the store's, or the context's, and the same query with After set goes on behind it.
	//
	// Of an instance whose verdict is lost, empty or never-started there are no entries: Logs tells.
	Entries iter.Seq2[Entry, error]
}

// DamageError says that stored bytes cannot be read: which ones, and which lines are missing for it. It wraps ErrDamaged.
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

// Unwrap gives the cause, which is ErrDamaged.
func (e *DamageError) Unwrap() error { return e.Err }

// Read finds the logs that a query names. It returns a *QueryError where the query is wrong, and ErrNotFound where the
// archive knows nothing of its target. An instance that did not write, or whose log is lost, is no error.
func (r *Reader) Read(ctx context.Context, q Query) (*Answer, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	back, err := RoomOf(ctx).find(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.find(ctx, q.Target)
	back()
	if err != nil {
		return nil, fmt.Errorf("find logs of %s: %w", q.Target, err)
	}
	found = found.within(q.Within)
	// A Job that never had a pod has no log, and is known.
	if len(found.pods) == 0 && (q.Target.Pod != "" || !found.documented()) {
		return nil, fmt.Errorf("find logs of %s: %w", q.Target, ErrNotFound)
	}
	return r.answer(ctx, &q, found)
}
