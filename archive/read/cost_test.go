package read_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestTailOfALargeLogIsCheap: by the manifest, the index and the last frame.
func TestTailOfALargeLogIsCheap(t *testing.T) {
	s := archivetest.NewShelf(t)
	log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
	batch := make([]archive.Line, 1000)
	text := strings.Repeat("x", 500)
	const batches = 256 // 128 MiB of text
	for n := range batches {
		for i := range batch {
			batch[i] = archive.Line{Time: archivetest.Start + int64(n*1000+i)*1e6, Text: fmt.Appendf(nil, "%d %s", n*1000+i, text)}
		}
		if _, err := log.Append(batch...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	s.FinishJob()
	before := s.Faulty.Count(storetest.OpGet)
	tail := int64(100)
	_, entries := archivetest.ReadWhole(t, s.Remote(), archive.Query{Target: archivetest.WholeJob, Tail: &tail})
	cost := s.Faulty.Count(storetest.OpGet)
	gets, bytes := cost.Requests-before.Requests, cost.Bytes-before.Bytes
	if len(entries) != 100 || entries[99].Number != batches*1000 {
		t.Fatalf("%d entries, want the last 100", len(entries))
	}
	if gets > 3 || bytes > 1<<20 {
		t.Errorf("tail cost %d GETs and %d bytes, want at most 3 and 1 MiB", gets, bytes)
	}
	t.Logf("%d GETs, %d bytes", gets, bytes)
}

// TestStoppingCostsNothing: a consumer who takes one line of a large log has got little of it.
func TestStoppingCostsNothing(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := archivetest.LinesTimedByNumber(500_000)
	s.Append("main", lines)
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	before := s.Faulty.Count(storetest.OpGet)
	a, err := s.Reader.Read(t.Context(), archive.Query{Target: archivetest.WholeJob})
	if err != nil {
		t.Fatal(err)
	}
	for range a.Entries {
		break
	}
	if cost := s.Faulty.Count(storetest.OpGet); cost.Requests-before.Requests > 3 || cost.Bytes-before.Bytes > 512<<10 {
		t.Errorf("one line cost %d GETs and %d bytes", cost.Requests-before.Requests, cost.Bytes-before.Bytes)
	}
}
