package follow

import (
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestBatch: however many lines there are, all of them stand in it in their order, and room that was given back holds
// nothing.
func TestBatch(t *testing.T) {
	var b batch
	for _, lines := range []int{1, len(b.few), len(b.few) + 1, manyLines, manyLines + 1, 3 * manyLines, 2} {
		for n := range lines {
			b.add(archive.Line{Time: int64(n)})
		}
		if got := len(b.lines); got != lines {
			t.Errorf("got %d lines, want %d", got, lines)
		}
		for n, line := range b.lines {
			if line.Time != int64(n) {
				t.Fatalf("of %d lines got line %d at place %d", lines, line.Time, n)
			}
		}
		b.clear()
		if got := len(b.lines); got != 0 {
			t.Errorf("got %d lines in a batch that was cleared, want none", got)
		}
	}
}
