package archivetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/takeover"
)

func NewCompactLife(t *testing.T, name string, store archive.Store, maxObject int64, compact int) *Life {
	l := &Life{Replica: NewReplica(t, t.TempDir(), store)}
	l.Journal = takeover.New(journal.New(journal.Config{Replica: name, MaxObject: maxObject, Compact: compact}, store, l.Spool, Quiet(), func(error) {}))
	return l
}

// FatLines are so long that a few fill a frame, and cannot be compressed well.
func FatLines(n int) []archive.Line {
	random := rand.NewChaCha8([32]byte{5})
	lines := make([]archive.Line, n)
	text := make([]byte, 1000)
	for i := range lines {
		_, _ = random.Read(text) // it cannot fail
		lines[i] = archive.Line{Time: Start + int64(i), Text: fmt.Appendf(nil, "%d %x", i, text)}
	}
	return lines
}
