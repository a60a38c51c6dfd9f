package archivetest

import (
	"bytes"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func Put(t *testing.T, store archive.Store, key archive.Key, b []byte) {
	t.Helper()
	if err := store.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// NumberedLines have their number as their time.
func NumberedLines(n int) []archive.Line {
	lines := LongLines(n, 25)
	for i := range lines {
		lines[i].Time = int64(i + 1)
	}
	return lines
}
