package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/news"
)

// ErrFull means that the spool has no room for more frames. Nothing that was taken is lost: the caller closes its
// stream, waits for Room and reads again from the last line that Append took.
var ErrFull = disk.ErrFull

// Config says where and how large a spool is.
type Config struct {
	Dir           string        // created where it is missing
	Limit         int64         // bytes on disk, all logs together
	Memory        int64         // bytes of text that is not yet on disk, all logs together
	FlushInterval time.Duration // text is on disk this long after it came, at the latest
	Reserve       int64         // bytes on disk, besides Limit, that sealing may use where the disk is full; 0: none
}

// Spool keeps the frames of open logs on the local disk until they are sealed. It owns its directory alone. Files are
// not synced: a crash of the process loses nothing that was written, and a crash of the machine is not what a local
// disk can answer. Safe for concurrent use.
type Spool struct {
	*disk.Disk
	news.Board
	cfg   Config
	Codec *format.Codec
	log   *slog.Logger

	held   atomic.Int64 // bytes of lines in open frames
	copies atomic.Int64 // logs that there were
	epoch  atomic.Int64 // when all journals had last been looked at, ns since 1970

	mu      sync.Mutex
	logs    map[archive.LogID]*Log      // guarded by mu
	dirty   map[*Log]struct{}           // guarded by mu; logs with text that is not on disk
	drafted map[archive.PodUID]struct{} // guarded by mu; pods whose draft the journal has not looked at
	saved   map[archive.PodUID]draftSum // guarded by mu; of the drafts that this process saved
	doubt   bool                        // guarded by mu; the journals could not be looked at
	newest  int64                       // guarded by mu; the latest epoch that any replica was seen to have
	text    sync.Pool                   // of *frame
	refs    sync.Map                    // of PodUID to draftRef, for readers
	given   map[archive.PodUID]given    // guarded by mu; that were handed over, for readers

	Cluster string   // see BelongTo
	foreign sync.Map // of the other clusters that were seen

	whole   atomic.Int64  // a log of so much text is one frame in its object
	hands   chan struct{} // a token for each frame that is closed beside, or made of several
	pressed chan struct{} // holds one token when memory ran over its limit
}

// Open opens the spool and recovers what an earlier process left: every log is cut after its last whole frame.
func Open(cfg Config, codec *format.Codec, log *slog.Logger) (*Spool, error) {
	s := &Spool{
		Disk: disk.New(cfg.Dir, cfg.Limit, cfg.Reserve, log), cfg: cfg, Codec: codec, log: log,
		logs: map[archive.LogID]*Log{}, dirty: map[*Log]struct{}{}, drafted: map[archive.PodUID]struct{}{}, saved: map[archive.PodUID]draftSum{},
		hands: newHands(), pressed: make(chan struct{}, 1),
	}
	s.whole.Store(maxWhole)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make spool %s: %w", cfg.Dir, err)
	}
	// What a takeover that was broken off left is in the journal still.
	if err := os.RemoveAll(s.TakenDir()); err != nil {
		return nil, fmt.Errorf("empty %s: %w", s.TakenDir(), err)
	}
	s.readEpoch()
	if err := s.Begin(); err != nil {
		return nil, fmt.Errorf("reserve room in spool %s: %w", cfg.Dir, err)
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("recover spool %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// Run writes text to disk that has waited for the flush interval, and all of it when memory runs over its limit, until
// the context ends; then it writes what is left.
func (s *Spool) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Regain()
			s.flush()
		case <-s.pressed:
			s.flush()
		case <-ctx.Done():
			s.flush()
			return nil
		}
	}
}

func (s *Spool) flush() {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = make(map[*Log]struct{}, len(dirty))
	s.mu.Unlock()
	for l := range dirty {
		if err := l.Flush(); err != nil {
			// The text stays in memory and the follower meets the same error at its next Append, where it is acted on.
			if !errors.Is(err, ErrFull) {
				s.log.Warn("flush log", "instance", l.instance, "err", err)
			}
			s.markDirty(l)
		}
	}
}

func (s *Spool) markDirty(l *Log) {
	s.mu.Lock()
	s.dirty[l] = struct{}{}
	s.mu.Unlock()
}

// Log returns the instance's open log, the one that an earlier process left or a new one.
func (s *Spool) Log(i archive.Instance) (*Log, error) {
	if l := s.Find(i.ID()); l != nil {
		return l, nil
	}
	l, err := s.take(i)
	if err == nil {
		s.announcePod(i.PodRef)
	}
	return l, err
}

func (s *Spool) take(i archive.Instance) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[i.ID()]; l != nil {
		return l, nil
	}
	if err := s.makePodDir(i.PodUID); err != nil {
		return nil, fmt.Errorf("make spool of %s: %w", i, err)
	}
	l := newLog(s, i)
	s.beginDoubted(l)
	// The identity is on disk before the first line, so that no line is ever found without its owner.
	if err := l.writeIdentity(); err != nil {
		return nil, fmt.Errorf("name log of %s: %w", i, err)
	}
	// There are files already where a start could not read whose they are.
	if err := l.recover(); err != nil {
		return nil, fmt.Errorf("recover log of %s: %w", i, err)
	}
	s.logs[i.ID()] = l
	return l, nil
}

// Pods returns the pods that the spool holds anything of.
func (s *Spool) Pods() ([]archive.PodUID, error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	var pods []archive.PodUID
	for _, e := range entries {
		if e.IsDir() && !strings.HasSuffix(e.Name(), dropped) && !strings.HasPrefix(e.Name(), ".") {
			pods = append(pods, archive.PodUID(e.Name()))
		}
	}
	return pods, nil
}

// Logs returns the open logs of one pod, in no order.
func (s *Spool) Logs(pod archive.PodUID) []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	var logs []*Log
	for name, l := range s.logs {
		if name.Pod == pod {
			logs = append(logs, l)
		}
	}
	return logs
}

// dropped ends the name of a pod's folder that is on its way out.
const dropped = ".dropped"

// Drop forgets a pod. Only after its manifest was read back from the store.
func (s *Spool) Drop(pod archive.PodUID) error {
	logs := s.Logs(pod)
	ref, _ := s.draftRef(pod)
	for _, l := range logs {
		l.leave()
	}
	s.mu.Lock()
	delete(s.saved, pod) // from here on the file may be gone
	s.mu.Unlock()
	// The folder goes as a whole first: a crash in the middle must not leave a part of it that looks like a pod.
	out := s.podDir(pod) + dropped
	if err := os.Rename(s.podDir(pod), out); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop pod %s from spool: %w", pod, err)
	}
	for _, l := range logs {
		if err := errors.Join(l.Drop(), l.DropAside()); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.logs, l.instance.ID())
		delete(s.dirty, l)
		s.mu.Unlock()
	}
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("drop pod %s from spool: %w", pod, err)
	}
	s.mu.Lock()
	delete(s.drafted, pod)
	s.mu.Unlock()
	s.refs.Delete(pod)
	s.Announce(ref.PodRef, ref.Workloads)
	return nil
}

// Held returns the bytes of lines in memory that are not on disk, and their limit.
func (s *Spool) Held() (held, limit int64) { return s.held.Load(), s.cfg.Memory }

// Open returns the number of open logs.
func (s *Spool) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.logs)
}

func (s *Spool) podDir(pod archive.PodUID) string { return filepath.Join(s.cfg.Dir, string(pod)) }

// makePodDir makes the pod's folder, for what is known of the pod and whose a log is: that is little, and it is what a
// verdict is made of.
func (s *Spool) makePodDir(pod archive.PodUID) error {
	return s.Write(0, s.Exceed, func() error { return os.MkdirAll(s.podDir(pod), 0o700) })
}

func (s *Spool) newFrame(firstLine int64) *format.Frame {
	f, ok := s.text.Get().(*format.Frame)
	if !ok {
		f = &format.Frame{}
	}
	f.Reset(firstLine)
	return f
}

// releaseFrame takes back a frame's buffers unless giant or very many lines made them large.
func (s *Spool) releaseFrame(f *format.Frame) {
	const fewLines = 32 << 10
	if cap(f.Text) <= 2*format.FrameTarget && cap(f.Times) <= fewLines && cap(f.Marks) <= fewLines {
		s.text.Put(f)
	}
}

// press makes Run write everything that is held.
func (s *Spool) press() {
	select {
	case s.pressed <- struct{}{}:
	default:
	}
}

// SealedExt is the record of a log whose object is in the store.
const SealedExt = ".sealed.json"
