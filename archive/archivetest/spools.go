package archivetest

import (
	"bytes"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// OneCodec serves all tests, as it serves all logs of a process. It is made outside of every bubble.
var OneCodec, errCodec = format.NewCodec()

// NewCodec returns OneCodec.
func NewCodec(t testing.TB) *format.Codec {
	t.Helper()
	if errCodec != nil {
		t.Fatal(errCodec)
	}
	return OneCodec
}

// WarmCodec has the codec that all tests share make its channels outside of any bubble.
func WarmCodec(t *testing.T) {
	log := OpenLog(t, OpenSpool(t, t.TempDir(), 1<<20), Instance("main"))
	if _, err := log.Append(ManyLines(1, 1)...); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	HeldLines(t, log)
}

// OpenSpool opens a spool of so many bytes at most in dir. The end of the test stops what it has running.
func OpenSpool(t testing.TB, dir string, limit int64) *spool.Spool {
	t.Helper()
	spool, err := spool.Open(spool.Config{
		Dir: dir, Limit: limit, Memory: 64 << 20, FlushInterval: time.Second,
	}, NewCodec(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("OpenSpool: %v", err)
	}
	t.Cleanup(spool.Still)
	return spool
}

// OpenLog returns the spool's log of an instance, which is begun where there is none.
func OpenLog(t testing.TB, spool *spool.Spool, i archive.Instance) *spool.Log {
	t.Helper()
	log, err := spool.Log(i)
	if err != nil {
		t.Fatalf("Log(%s): %v", i, err)
	}
	return log
}

// HeldLines returns what a log holds, with texts of their own.
func HeldLines(t testing.TB, log *spool.Log) []archive.Line {
	t.Helper()
	var lines []archive.Line
	err := log.Held(0, func(l archive.Line) bool {
		l.Text = bytes.Clone(l.Text)
		lines = append(lines, l)
		return true
	})
	if err != nil {
		t.Fatalf("Held: %v", err)
	}
	return lines
}

// FileSize returns the bytes of a file that must be there.
func FileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
