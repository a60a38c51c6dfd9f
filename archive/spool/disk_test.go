package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// smallDisk is a disk that holds so many bytes below a spool.
type smallDisk struct {
	t     *testing.T
	spool *Spool
	bytes atomic.Int64
	asked atomic.Int64
}

func spoolOnSmallDisk(t *testing.T, dir string, reserve, bytes int64) (*Spool, *smallDisk) {
	t.Helper()
	cfg := Config{Dir: dir, Limit: 1 << 30, Memory: 64 << 10, FlushInterval: time.Second, Reserve: reserve}
	s, err := Open(cfg, spoolCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Still)
	d := &smallDisk{t: t, spool: s}
	d.bytes.Store(bytes)
	s.PlayFull(d.fault)
	return s, d
}

func (d *smallDisk) fault(bytes int64) error {
	d.asked.Add(1)
	if d.used()+bytes > d.bytes.Load() {
		return &fs.PathError{Op: "write", Path: "small", Err: syscall.ENOSPC}
	}
	return nil
}

func (d *smallDisk) used() (sum int64) {
	err := filepath.WalkDir(d.spool.cfg.Dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
	return sum
}

// flood appends until the spool is full, and says how many lines were taken.
func flood(t *testing.T, l *Log, lines []archive.Line) int {
	t.Helper()
	for taken := 0; ; {
		n, err := l.Append(lines[taken : taken+10]...)
		if taken += n; errors.Is(err, ErrFull) {
			return taken
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskIsFullBelowTheLimit: a disk without room is a full spool. Logs that are held are sealed on it, what is known
// of new pods is kept, and what was refused goes on once sealing has made room.
func TestDiskIsFullBelowTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const reserve = 512 << 10
		s, small := spoolOnSmallDisk(t, t.TempDir(), reserve, 4<<20)
		lines := linetest.RandomLines(40_000)
		full, other := logOf(t, s, "full"), logOf(t, s, "other")
		appendAll(t, other, lines[:100])
		taken := flood(t, full, lines)
		linetest.WantLines(t, heldLines(t, full), lines[:taken])
		asked := small.asked.Load()
		if n, err := other.Append(lines[100:4000]...); !errors.Is(err, ErrFull) {
			t.Errorf("Append to another log: %d, %v, want ErrFull", n, err)
		} else {
			linetest.WantLines(t, heldLines(t, other), lines[:100+n])
		}
		if now := small.asked.Load(); now != asked {
			t.Errorf("the disk was asked %d times more, want none while it is full", now-asked)
		}
		if used, limit := s.Used(); used != limit {
			t.Errorf("%d bytes are used of %d, want a spool that is seen to be full", used, limit)
		}
		logOf(t, s, "late")
		if err := s.SaveDraft(&archive.Draft{Manifest: archive.Manifest{Pod: archive.PodSummary{PodRef: archive.PodRef{Pod: "late", PodUID: "late"}}}}); err != nil {
			t.Errorf("draft on a full disk: %v", err)
		}
		room := make(chan error, 1)
		go func() { room <- s.Room(t.Context()) }()
		run := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { run <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		select {
		case err := <-room:
			t.Fatalf("Room on a full disk: %v, want it to wait", err)
		default:
		}
		sum, err := full.End()
		if err != nil || sum.Lines != int64(taken) {
			t.Fatalf("End() = %d lines, %v; want %d", sum.Lines, err, taken)
		}
		if err := full.WriteRecord(&archive.InstanceRecord{Instance: full.instance}); err != nil {
			t.Fatal(err)
		}
		if err := full.Drop(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := <-room; err != nil || time.Since(began) > 2*disk.ProbeEvery {
			t.Errorf("Room: %v after %s, want it soon", err, time.Since(began))
		}
		appendAll(t, other, lines[5000:6000])
		if info, err := os.Stat(s.ReserveFile()); err != nil || info.Size() != reserve {
			t.Errorf("the reserve: %v, %v, want it whole again", info, err)
		}
		stop()
		if err := <-run; err != nil {
			t.Error(err)
		}
	})
}

// TestDiskHasRoomAgain: somebody else had filled the disk, and leaves.
func TestDiskHasRoomAgain(t *testing.T) {
	for _, reserve := range []int64{0, 512 << 10} {
		t.Run(fmt.Sprint("reserve of ", reserve), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, small := spoolOnSmallDisk(t, t.TempDir(), reserve, 1<<20)
				lines := linetest.RandomLines(20_000)
				l := logOf(t, s, "c")
				taken := flood(t, l, lines)
				ctx, stop := context.WithCancel(t.Context())
				run := make(chan error, 1)
				go func() { run <- s.Run(ctx) }()
				time.Sleep(time.Minute)
				if !s.Full() {
					t.Error("the disk has room, want none yet")
				}
				small.bytes.Store(64 << 20)
				if err := s.Room(t.Context()); err != nil {
					t.Fatal(err)
				}
				appendAll(t, l, lines[taken:taken+1000])
				linetest.WantLines(t, heldLines(t, l), lines[:taken+1000])
				stop()
				if err := <-run; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStartOnAFullDisk: what the spool holds is taken up and sealed.
func TestStartOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	appendAll(t, logOf(t, spoolWith(t, dir, 0, 1), "c"), linetest.Numbered(0, 100))
	s, small := spoolOnSmallDisk(t, dir, 64<<10, 0)
	small.bytes.Store(small.used()) // to the last byte
	l := logOf(t, s, "c")
	if sum, err := l.End(); err != nil || sum.Lines != 100 {
		t.Errorf("End() = %d lines, %v, want 100", sum.Lines, err)
	}
	again, err := Open(s.cfg, s.Codec, s.log)
	if err != nil || !logOf(t, again, "c").Ended() {
		t.Errorf("OpenSpool: %v, want the log that has ended", err)
	}
}
