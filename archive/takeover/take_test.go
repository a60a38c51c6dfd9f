package takeover

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

var takingCodec, errTakingCodec = format.NewCodec()

// TestTakeFrames: frames come again, overlap and are missing. Each line is held once and in order, and what is missing
// is told in one gap with its number.
func TestTakeFrames(t *testing.T) {
	type span struct{ first, end int }
	for _, tt := range []struct {
		name     string
		frames   []span
		want     []span
		wantGaps []string // after which line, and what it says
	}{
		{"in order", []span{{0, 5}, {5, 9}}, []span{{0, 9}}, nil},
		{"one again", []span{{0, 5}, {0, 5}, {5, 9}}, []span{{0, 9}}, nil},
		{"one again behind a later one", []span{{0, 5}, {5, 9}, {0, 5}, {9, 12}}, []span{{0, 12}}, nil},
		{"one again before a hole", []span{{0, 5}, {5, 9}, {0, 5}, {12, 14}}, []span{{0, 9}, {12, 14}}, []string{"9: 3 lines"}},
		{"all again", []span{{0, 5}, {5, 9}, {0, 5}, {5, 9}, {9, 12}}, []span{{0, 12}}, nil},
		{"one inside another", []span{{0, 9}, {3, 7}, {9, 12}}, []span{{0, 12}}, nil},
		{"overlap", []span{{0, 5}, {3, 9}, {9, 12}}, []span{{0, 5}, {9, 12}}, []string{"5: 4 lines"}},
		{"overlap before a hole", []span{{0, 5}, {3, 9}, {11, 12}}, []span{{0, 5}, {11, 12}}, []string{"5: 6 lines"}},
		{"two holes", []span{{2, 5}, {7, 9}}, []span{{2, 5}, {7, 9}}, []string{"0: 2 lines", "3: 2 lines"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 30, Memory: 1 << 30}, takingCodec, slog.New(slog.DiscardHandler))
			if errors.Join(err, errTakingCodec) != nil {
				t.Fatal(err, errTakingCodec)
			}
			l := &takenLog{spool: s, log: slog.New(slog.DiscardHandler), best: &journal.Chain{Instance: archive.Instance{Container: "c"}}}
			name := filepath.Join(t.TempDir(), "frames")
			file, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			all := linetest.Numbered(0, 20)
			for _, f := range tt.frames {
				frame := &format.Frame{FirstLine: int64(f.first)}
				for i := range all[f.first:f.end] {
					frame.Add(&all[f.first+i])
				}
				b, h, err := takingCodec.Encode(nil, frame)
				if err := errors.Join(err, l.take(file, b, &h)); err != nil {
					t.Fatal(err)
				}
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			var want []archive.Line
			for _, f := range tt.want {
				want = append(want, all[f.first:f.end]...)
			}
			got, gaps := linesOfFile(t, name)
			linetest.WantLines(t, got, want)
			if !slices.Equal(gaps, tt.wantGaps) {
				t.Errorf("got gaps %q, want %q", gaps, tt.wantGaps)
			}
		})
	}
}

// linesOfFile returns the lines of the frames in a file, whose numbers must go on from each other, and their gaps.
func linesOfFile(t *testing.T, name string) (lines []archive.Line, gaps []string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		f, h, err := takingCodec.Decode(b)
		if err != nil || h.FirstLine != int64(len(lines)) {
			t.Fatalf("frame at line %d, %v; want it at line %d", h.FirstLine, err, len(lines))
		}
		for _, g := range h.Gaps {
			var missing int
			if _, err := fmt.Sscanf(g.Detail, "%d lines", &missing); err != nil {
				t.Errorf("gap says %q, want a number of lines", g.Detail)
			}
			gaps = append(gaps, fmt.Sprintf("%d: %d lines", g.AfterLine, missing))
		}
		if err := f.Lines(func(l archive.Line) bool { lines = append(lines, l); return true }); err != nil {
			t.Fatal(err)
		}
		b = b[h.Size+h.DataSize:]
	}
	return lines, gaps
}
