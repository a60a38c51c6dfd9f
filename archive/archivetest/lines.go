package archivetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// Start is the time of the first line of most logs, in ns since 1970: in September 2026.
const Start = linetest.Base

// OddLines are lines of every kind that the log API can serve.
func OddLines() []archive.Line {
	lines := []archive.Line{
		{Time: Start, Text: []byte("plain")},
		{Time: Start, Text: []byte("plain")}, // equal in all
		{Time: Start, Text: nil},
		{Time: Start + 5, Text: []byte("nul \x00 and \xff\xfe no UTF-8\r")},
		{Time: Start - 3_000_000_000, Text: []byte("the clock stepped back")},
		{Time: 0, Text: []byte("no time")},
		{Time: Start + 7, Text: []byte("in pieces"), Partial: true},
		{Time: Start + 7, Text: bytes.Repeat([]byte("x"), archive.MaxLine), Partial: true},
		{Time: Start + 7, Text: []byte("and its end")},
	}
	for n := range 1000 {
		lines = append(lines, archive.Line{Time: Start + 9, Text: fmt.Appendf(nil, "same time %d", n%10)})
	}
	return append(lines, archive.Line{Time: Start + 10, Text: []byte("no newline"), Partial: true})
}

// ManyLines are enough to fill several frames.
func ManyLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := Start
	for i := range lines {
		at += random.Int64N(1_000_000)
		lines[i] = archive.Line{Time: at, Text: fmt.Appendf(nil, "line %d %x", i, random.Uint64())}
	}
	return lines
}

// LongLines are as many bytes as ten times the lines of ManyLines, for tests in which the bytes matter.
func LongLines(n int, seed uint64) []archive.Line {
	random := rand.New(rand.NewPCG(seed, seed))
	lines := make([]archive.Line, n)
	at := Start
	for i := range lines {
		at += random.Int64N(10_000_000)
		text := fmt.Appendf(nil, "line %d", i)
		for range 10 {
			text = fmt.Appendf(text, " %d %x", i, random.Uint64())
		}
		lines[i] = archive.Line{Time: at, Text: text}
	}
	return lines
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

// LinesTimedByNumber are long lines whose times are 1 ns, 2 ns and so on since 1970.
func LinesTimedByNumber(n int) []archive.Line {
	lines := LongLines(n, 25)
	for i := range lines {
		lines[i].Time = int64(i + 1)
	}
	return lines
}
