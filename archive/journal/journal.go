package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Config says how a journal is written.
type Config struct {
	Replica   string        // names the process among all that share the store; must have no slash
	Interval  time.Duration // between two objects; 0 is 5 s
	MaxObject int64         // bytes at which an object is full; 0 is 64 MiB. A single frame may be larger
	// objects over which a log's frames may be spread before they are written again as one; 0 is 64
	Compact int
	Grace   time.Duration // how long the last object may take once the context has ended; 0 is 10 s
}

// Journal is the write-ahead log of one replica in the store: one object for each interval holds the new frames of all
// open logs, so that the number of requests does not grow with the number of logs. When a replica dies with its disk,
// another one takes its logs over from there.
//
// The journal never holds up whoever appends. While the store is in trouble it grows old, which Lag tells.
//
// What a crash leaves: an object is in the store whole or not at all. Lines that no object holds are read again from
// the kubelet. Objects that are of no use any more are removed by the next Collect, of any replica. Safe for concurrent
// use.
type Journal struct {
	cfg   Config
	life  string
	Store *patient.Store
	Spool *spool.Spool
	Log   *slog.Logger

	turn     chan struct{} // holds one token; whoever has it writes or collects, and owns the fields below
	sequence int64         // of the next object; 0: not known yet
	logs     map[*spool.Log]*journaled
	drafts   map[archive.PodUID]*journaledDraft
	objects  map[archive.Key]*journalObject // those of this life that are in the store
	foreign  map[archive.Key]*awaited       // what is known of objects of other lives

	inFlight atomic.Int64 // age of the oldest line on its way into the store, ns since 1970; 0: none
	stats    journalCounts
}

type journaledDraft struct {
	pod  archive.PodRef
	sum  [32]byte
	held *journalObject // the newest one that has it
}

// journalObject is an object of this life in the store.
type journalObject struct {
	key  archive.Key
	uses int // entries that are still needed
}

// awaited are some pods of an object of another life, which stays at least until they are sealed.
type awaited struct {
	pods    []archive.PodRef
	more    bool // the object has others, which the index tells
	damaged bool // nothing can be read from the index
	version bool // for it is of another version
	foreign bool // it is another cluster's, and none of ours to judge
}

type journalCounts struct{ objects, bytes, frames, tails, compacted, collisions, removed atomic.Int64 }

// Stats counts since the start of the process.
type Stats struct {
	Objects    int64 // that were put
	Bytes      int64 // of them
	Frames     int64 // bytes of whole frames in them
	Compacted  int64 // bytes of frames, of both kinds, that were in the journal before and were written again
	Tails      int64 // bytes of small frames in them, which come again in a whole frame
	Collisions int64 // sequences that another process under the same name had taken
	Removed    int64 // objects that Collect deleted
}

// New makes a journal. failed is called with each failed try of the store.
func New(cfg Config, store archive.Store, disk *spool.Spool, log *slog.Logger, failed func(error)) *Journal {
	if cfg.Interval <= 0 {
		cfg.Interval = 5 * time.Second
	}
	if cfg.MaxObject <= 0 {
		cfg.MaxObject = 64 << 20
	}
	if cfg.Compact <= 0 {
		cfg.Compact = 64
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	j := &Journal{
		cfg: cfg, life: rand.Text(), Store: patient.New(store, log, failed), Spool: disk, Log: log, turn: make(chan struct{}, 1),
		logs: map[*spool.Log]*journaled{}, drafts: map[archive.PodUID]*journaledDraft{},
		objects: map[archive.Key]*journalObject{}, foreign: map[archive.Key]*awaited{},
	}
	j.turn <- struct{}{}
	return j
}

// Run writes an object each interval in which something new came, until the context ends; then it writes a last one.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(j.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := j.Flush(ctx); err != nil && ctx.Err() == nil {
				j.Log.Error("write journal; tried again at the next interval", "err", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.cfg.Grace)
			defer cancel()
			if err := j.Flush(last); err != nil {
				return fmt.Errorf("write last journal: %w", err)
			}
			return nil
		}
	}
}

// Lag returns the age of the oldest line that is not in the store.
func (j *Journal) Lag() time.Duration {
	oldest := j.inFlight.Load()
	for _, l := range j.Spool.All() {
		if fresh := l.Fresh(); fresh != 0 && (oldest == 0 || fresh < oldest) {
			oldest = fresh
		}
	}
	if oldest == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(0, oldest)))
}

// Stats returns the counts.
func (j *Journal) Stats() Stats {
	s := &j.stats
	return Stats{
		Objects: s.objects.Load(), Bytes: s.bytes.Load(), Frames: s.frames.Load(), Tails: s.tails.Load(), Compacted: s.compacted.Load(),
		Collisions: s.collisions.Load(), Removed: s.removed.Load(),
	}
}

// Replicas returns the names of all whose journals are in the store.
func (j *Journal) Replicas(ctx context.Context) ([]string, error) { return Replicas(ctx, j.Store) }

// List returns the objects of a replica's journal in the order in which they were written.
func (j *Journal) List(ctx context.Context, replica string) ([]archive.Object, error) {
	return list(ctx, j.Store, replica)
}

// begin finds the sequence to go on with. It is never one that an earlier life had, also where that has left no
// object: readers hold what they know of an object by its key, and would take the new one for the old. So it begins
// with the time; a life does not put an object for each microsecond.
func (j *Journal) begin(ctx context.Context) error {
	if j.sequence > 0 {
		return nil
	}
	objects, err := j.List(ctx, j.cfg.Replica)
	if err != nil {
		return err
	}
	j.sequence = max(1, time.Now().UnixMicro())
	if n := len(objects); n > 0 {
		j.sequence = max(j.sequence, archive.SequenceOf(objects[n-1].Key)+1)
	}
	return nil
}

// isOurs reports whether what stands under a key is an object of ours that a failed try has stored, or at least one of
// this life.
func (j *Journal) isOurs(ctx context.Context, key archive.Key, index []byte, size int64) (same, life bool, err error) {
	b, have, err := format.Fetch(ctx, j.Store, key, archive.Range{Offset: -int64(len(index))})
	if err == nil && have == size && string(b) == string(index) {
		return true, true, nil
	}
	x, err := j.Index(ctx, key)
	if errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrDamaged) {
		return false, false, nil
	}
	return false, err == nil && x.Life == j.life, err
}

// Index reads an object's index. What seems to be damaged is read again as a whole: an object that is called damaged is
// given up with its lines, so its own bytes must say so, and not a store that gives other parts of it than were asked
// for.
func (j *Journal) Index(ctx context.Context, key archive.Key) (*format.JournalIndex, error) {
	x, damage := j.Spool.Codec.ReadJournalIndex(ctx, j.Store, key)
	if !errors.Is(damage, archive.ErrDamaged) {
		return x, damage
	}
	x, err := j.Spool.Codec.ReadJournalIndex(ctx, &patient.Partly{Store: j.Store, Whole: patient.Always}, key)
	if err == nil {
		j.Log.Error("the store gives other parts of objects than it is asked for; this one was read as a whole", "key", key, "err", damage)
	}
	return x, err
}
