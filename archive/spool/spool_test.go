package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

func testInstance(container string) archive.Instance {
	return archive.Instance{
		PodRef:    archive.PodRef{Namespace: "ns", Job: "j", JobUID: "j-uid", Pod: "p", PodUID: "uid"},
		Container: container, Kind: archive.KindMain, ContainerID: "containerd://" + container,
	}
}

// oneSpoolCodec serves all tests, as it serves all logs of a process. It is made outside of every bubble.
var oneSpoolCodec, errSpoolCodec = format.NewCodec()

func spoolCodec(t testing.TB) *format.Codec {
	t.Helper()
	if errSpoolCodec != nil {
		t.Fatal(errSpoolCodec)
	}
	return oneSpoolCodec
}

// spoolWith opens a spool of a limit and a memory limit; 0 is plenty.
func spoolWith(t testing.TB, dir string, limit, memory int64) *Spool {
	t.Helper()
	cfg := Config{Dir: dir, Limit: limit, Memory: memory, FlushInterval: time.Second}
	if limit == 0 {
		cfg.Limit = 1 << 30
	}
	if memory == 0 {
		cfg.Memory = 1 << 30
	}
	s, err := Open(cfg, spoolCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenSpool: %v", err)
	}
	t.Cleanup(s.Still)
	return s
}

func logOf(t testing.TB, s *Spool, container string) *Log {
	t.Helper()
	l, err := s.Log(testInstance(container))
	if err != nil {
		t.Fatalf("Log: %v", err)
	}
	return l
}

func appendAll(t testing.TB, l *Log, lines []archive.Line) {
	t.Helper()
	if n, err := l.Append(lines...); err != nil {
		t.Fatalf("Append took %d of %d: %v", n, len(lines), err)
	}
}

func heldLines(t testing.TB, l *Log) (lines []archive.Line) {
	t.Helper()
	if err := l.Held(0, func(line archive.Line) bool {
		lines = append(lines, archive.Line{Time: line.Time, Text: bytes.Clone(line.Text), Partial: line.Partial})
		return true
	}); err != nil {
		t.Fatalf("Held: %v", err)
	}
	return lines
}

// wantEmptySpool says that every byte that was ever counted has been given back.
func wantEmptySpool(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Drop("uid"); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	if used, _ := s.Used(); used != 0 {
		t.Errorf("%d bytes are counted in an empty spool", used)
	}
	if held, _ := s.Held(); held != 0 {
		t.Errorf("%d bytes of memory are counted without a log", held)
	}
}

func wantUsed(t testing.TB, s *Spool) {
	t.Helper()
	var want int64
	for _, pattern := range []string{"*.log", "*.tail"} {
		names, err := filepath.Glob(filepath.Join(s.cfg.Dir, "uid", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			stat, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			want += stat.Size()
		}
	}
	if got, _ := s.Used(); got != want {
		t.Errorf("spool counts %d bytes, the disk has %d", got, want)
	}
}

func TestFullSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 400 << 10
		s := spoolWith(t, t.TempDir(), limit, 64<<10)
		l, other := logOf(t, s, "c"), logOf(t, s, "other")
		appendAll(t, other, linetest.Numbered(0, 100))
		taken, lines := 0, linetest.RandomLines(5000)
		for {
			n, err := l.Append(lines[taken : taken+10]...)
			if taken += n; errors.Is(err, ErrFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if used, _ := s.Used(); used > limit {
			t.Errorf("%d bytes used of %d", used, limit)
		}
		linetest.WantLines(t, heldLines(t, l), lines[:taken])
		var woken time.Duration
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Room(t.Context()); err != nil {
				t.Error(err)
			}
			woken = time.Since(began)
		})
		synctest.Wait()
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Room(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Room of a full spool: %v, want the context's error", err)
		}
		// A full spool can be emptied: the end of a log is written over the limit.
		sum, err := l.End()
		if err != nil || sum.Lines != int64(taken) {
			t.Fatalf("End() = %d lines, %v; want %d", sum.Lines, err, taken)
		}
		if err := l.Drop(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if woken != 2*time.Minute {
			t.Errorf("Room waited for %s, want until the drop", woken)
		}
		appendAll(t, other, linetest.Numbered(100, 200))
		linetest.WantLines(t, heldLines(t, other), linetest.Numbered(0, 200))
		wantEmptySpool(t, s)
	})
}

func TestMemoryPressureWakesTheFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := spoolWith(t, t.TempDir(), 0, 50<<10)
		s.cfg.FlushInterval = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for n := range 20 {
			appendAll(t, logOf(t, s, fmt.Sprint("c", n)), linetest.Numbered(0, 200))
		}
		synctest.Wait()
		if held, limit := s.Held(); held > limit/2 {
			t.Errorf("%d bytes held of %d, want them written at once", held, limit)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if held, _ := s.Held(); held != 0 {
			t.Errorf("%d bytes held after Run", held)
		}
		wantUsed(t, s)
		wantEmptySpool(t, s)
	})
}

func TestAppendRefusesWhatCannotBeRead(t *testing.T) {
	s := spoolWith(t, t.TempDir(), 0, 0)
	l := logOf(t, s, "c")
	for name, text := range map[string][]byte{"newline": []byte("a\nb"), "too long": make([]byte, archive.MaxLine+1)} {
		if n, err := l.Append(archive.Line{Text: []byte("good")}, archive.Line{Text: text}, archive.Line{}); n != 1 || err == nil {
			t.Errorf("%s: Append = %d, %v; want 1 and an error", name, n, err)
		}
	}
	linetest.WantLines(t, heldLines(t, l), []archive.Line{{Text: []byte("good")}, {Text: []byte("good")}})
	wantEmptySpool(t, s)
}

// TestSpoolUnderConcurrency reads, flushes and at last drops a log that is being written. Every reader sees a beginning
// of the lines, in order, each once, and never less than the one before it saw.
func TestSpoolUnderConcurrency(t *testing.T) {
	s := spoolWith(t, t.TempDir(), 0, 256<<10)
	l := logOf(t, s, "c")
	const lines = 20_000
	var work, write sync.WaitGroup
	stop := make(chan struct{})
	write.Go(func() {
		for n := 0; n < lines; n += 10 {
			if _, err := l.Append(linetest.Numbered(n, n+10)...); err != nil {
				t.Errorf("Append: %v", err)
				return
			}
		}
	})
	repeat := func(f func()) {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	repeat(s.flush)
	for range 2 {
		seen := int64(0)
		repeat(func() {
			n := int64(0)
			err := l.Held(0, func(line archive.Line) bool {
				if line.Time != linetest.Base+n {
					t.Errorf("line %d has time %d, want %d", n, line.Time, linetest.Base+n)
				}
				n++
				return true
			})
			if errors.Is(err, archive.ErrGone) {
				return
			}
			if err != nil || n < seen {
				t.Errorf("Held gave %d lines after %d, %v", n, seen, err)
			}
			seen = n
		})
	}
	repeat(func() { _, _, _ = l.Last(); l.Summary(); runtime.Gosched() })
	write.Wait()
	if got := l.Summary().Lines; got != lines {
		t.Errorf("got %d lines, want %d", got, lines)
	}
	wantEmptySpool(t, s)
	close(stop)
	work.Wait()
	if _, err := l.Append(archive.Line{}); err == nil {
		t.Error("a log that was dropped takes lines")
	}
}
