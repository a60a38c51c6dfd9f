package watchtest

import (
	"log/slog"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// HeldLogOf returns the log of an instance, in a spool of its own.
func HeldLogOf(t *testing.T, i archive.Instance) *spool.Log {
	t.Helper()
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 20, Memory: 1 << 20}, codec, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	log, err := spool.Log(i)
	if err != nil {
		t.Fatal(err)
	}
	return log
}
