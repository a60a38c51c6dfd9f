package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/epilogue-dev/epilogue/archive/format"
)

// ErrFull means that there is no room for more. Nothing that was taken is lost: the caller closes its stream, waits for
// Room and reads again from the last line that was taken.
var ErrFull = errors.New("spool is full")

const (
	// ProbeEvery is how often room is looked for on a full disk: whoever fills the disk may be another one, whose
	// leaving nothing here hears of.
	ProbeEvery = 5 * time.Second
	// leastRoom is what must be free besides the reserve for the disk to have room.
	leastRoom = 1 << 20
)

// Disk is the room below a folder. Safe for concurrent use.
type Disk struct {
	dir     string
	limit   int64 // bytes
	reserve int64 // bytes besides the limit that sealing may use where the disk is full; 0: none
	log     *slog.Logger

	used    atomic.Int64 // bytes
	refused atomic.Int64 // the most bytes for which there was no room since there was room
	full    atomic.Bool  // the disk itself has no room, below the limit

	mu     sync.Mutex
	freed  chan struct{} // guarded by mu; closed and replaced when room comes back
	probed time.Time     // guarded by mu; when room was last looked for
	file   sync.Mutex    // held by whoever changes the reserve's file

	fault func(bytes int64) error // see PlayFull
}

// New makes the disk of a folder that is there. All sizes are bytes.
func New(dir string, limit, reserve int64, log *slog.Logger) *Disk {
	return &Disk{dir: dir, limit: limit, reserve: reserve, log: log, freed: make(chan struct{})}
}

// Begin makes the reserve. A disk that is full at the start is no error: what it holds is sealed.
func (d *Disk) Begin() error {
	if d.reserve == 0 {
		return nil
	}
	err := d.fill(0)
	if LacksRoom(err) {
		d.Lost(err)
		return nil
	}
	return err
}

// Used returns the bytes on disk and their limit, which is what there is where the disk itself is full.
func (d *Disk) Used() (used, limit int64) {
	used, limit = d.used.Load(), d.limit
	if d.full.Load() {
		limit = min(limit, used)
	}
	return used, limit
}

// Full reports whether the disk itself was found without room, and none was found since.
func (d *Disk) Full() bool { return d.full.Load() }

// PlayFull is for tests: a write of so many bytes fails as fault says. Before the disk is used.
func (d *Disk) PlayFull(fault func(bytes int64) error) { d.fault = fault }

// LacksRoom reports whether an error says that the disk, or a quota on it, is full.
func LacksRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Write does a write of so many bytes, or returns ErrFull where the disk has no room for them. Who may go over the
// limit, as take says, gets the reserve's room.
func (d *Disk) Write(bytes int64, take func(int64) error, write func() error) error {
	err := d.try(bytes, write)
	if !LacksRoom(err) {
		return err
	}
	d.Lost(err)
	if take(0) == nil {
		if err := d.yield(); err != nil {
			return err
		}
		if err = d.try(bytes, write); !LacksRoom(err) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

func (d *Disk) try(bytes int64, write func() error) error {
	if d.fault != nil {
		if err := d.fault(bytes); err != nil {
			return err
		}
	}
	return write()
}

// Lost notes that the disk is full.
func (d *Disk) Lost(err error) {
	if d.full.CompareAndSwap(false, true) {
		d.log.Warn("the disk of the spool is full below its limit; log streams wait for room", "used", d.used.Load(), "limit", d.limit, "err", err)
	}
}

// yield returns the reserve up. It may be gone already, and its room with it.
func (d *Disk) yield() error {
	d.file.Lock()
	defer d.file.Unlock()
	err := os.Truncate(d.ReserveFile(), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Regain looks for room on a disk that was full, now and then.
func (d *Disk) Regain() {
	if !d.full.Load() || !d.dueForRoom() {
		return
	}
	if err := d.fill(leastRoom); err != nil {
		if !LacksRoom(err) {
			d.log.Warn("look for room on the spool's disk", "err", err)
		}
		return
	}
	d.full.Store(false)
	d.log.Info("the disk of the spool has room again")
	d.wake()
}

func (d *Disk) dueForRoom() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.probed) < ProbeEvery {
		return false
	}
	d.probed = time.Now()
	return true
}

// fill makes the reserve whole, if so much is free besides it; else the reserve is what there is room for.
func (d *Disk) fill(besides int64) error {
	d.file.Lock()
	defer d.file.Unlock()
	want := d.reserve + besides
	err := d.try(want, func() error { return format.WriteAt(d.ReserveFile(), 0, make([]byte, want)) })
	return errors.Join(err, d.trimReserve())
}

// trimReserve returns back what the reserve's file has besides it.
func (d *Disk) trimReserve() error {
	info, err := os.Stat(d.ReserveFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case d.reserve == 0:
		return os.Remove(d.ReserveFile())
	case info.Size() > d.reserve:
		return os.Truncate(d.ReserveFile(), d.reserve)
	}
	return nil
}

// ReserveFile is where the reserve is.
func (d *Disk) ReserveFile() string { return filepath.Join(d.dir, ".reserve") }
