package read_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
)

// randomLog gives lines of every kind that a kubelet serves, and some that it should not.
func randomLog(r *rand.Rand) []archive.Line {
	lines := make([]archive.Line, r.IntN(300))
	at := archivetest.Start
	for i := range lines {
		switch r.IntN(12) {
		case 0: // the same again
		case 1:
			at -= r.Int64N(5e9) // the clock was set back
		default:
			at += r.Int64N(2e9)
		}
		lines[i] = archive.Line{Time: at, Text: randomText(r), Partial: r.IntN(25) == 0}
		if r.IntN(15) == 0 || i < 3 && r.IntN(2) == 0 {
			lines[i].Time = 0
		}
	}
	if n := len(lines); n > 0 && r.IntN(3) == 0 {
		lines[n-1].Partial = true
	}
	return lines
}

func randomText(r *rand.Rand) []byte {
	switch r.IntN(20) {
	case 0:
		return []byte{}
	case 1:
		b := make([]byte, r.IntN(40))
		for i := range b {
			if b[i] = byte(r.IntN(256)); b[i] == '\n' {
				b[i] = 0
			}
		}
		return b
	case 2:
		if r.IntN(20) == 0 {
			// More than a frame is to hold. A regular expression that finds nothing in it takes a quarter of a second.
			size := []int{archive.MaxLine, 300_000, 300_000, 300_000, 300_000, 300_000}[r.IntN(6)]
			begin := []string{"", "INFO error step 4 "}[r.IntN(2)]
			return append([]byte(begin), bytes.Repeat([]byte("huge "), (size-len(begin))/5)...)
		}
		fallthrough
	default:
		return fmt.Appendf(nil, "%s step %d", []string{"INFO", "Warning", "error"}[r.IntN(3)], r.IntN(50))
	}
}
