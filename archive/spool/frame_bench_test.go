package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// wholeFrame returns a frame of the usual size.
func wholeFrame() *format.Frame {
	f := &format.Frame{}
	for _, line := range linetest.LogText(4000) {
		if f.Add(&line); len(f.Text) >= format.FrameTarget-200 {
			break
		}
	}
	return f
}

func BenchmarkFrameEncode(b *testing.B) {
	c, f := spoolCodec(b), wholeFrame()
	b.SetBytes(int64(len(f.Text)))
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := c.Encode(c.Scratch(), f)
		if err != nil {
			b.Fatal(err)
		}
		c.Release(out)
	}
}

func BenchmarkFrameDecode(b *testing.B) {
	c, f := spoolCodec(b), wholeFrame()
	encoded, _, err := c.Encode(nil, f)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(f.Text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Decode(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLogObject opens the object of a log of nearly 1 MiB of text: in one frame, and in those that the spool has.
func BenchmarkLogObject(b *testing.B) {
	for name, whole := range map[string]int64{"one": maxWhole, "spool's": 0} {
		b.Run(name, func(b *testing.B) {
			s := spoolWith(b, b.TempDir(), 1<<50, 0)
			s.whole.Store(whole)
			l := logOf(b, s, "c")
			appendAll(b, l, linetest.LogText(11_000))
			if _, err := l.End(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var size int64
			for b.Loop() {
				o, err := l.Object()
				if err != nil {
					b.Fatal(err)
				}
				size = o.Size()
				o.Close()
			}
			b.ReportMetric(float64(l.stat.Bytes)/1024, "text-KiB")
			b.ReportMetric(float64(size)/1024, "object-KiB")
		})
	}
}

// stampedText returns the lines as one text with the times inline, as the API serves them.
func stampedText(lines []archive.Line) (text []byte) {
	for _, line := range lines {
		text = time.Unix(0, line.Time).UTC().AppendFormat(text, "2006-01-02T15:04:05.000000000Z07:00")
		text = append(text, ' ')
		text = append(append(text, line.Text...), '\n')
	}
	return text
}

// BenchmarkStoredSize compares the log object with the same log with its times inline, at the same level: in frames of
// the same size, and as one stream, which no reader could find a line in. It also checks that every time comes back
// exact.
//
// A time has so many random digits, and nothing makes them smaller: what a line waits for decides how many.
func BenchmarkStoredSize(b *testing.B) {
	repeated := func(int) []byte { return []byte("INFO waiting for the step to finish, next look in 1 s") }
	for _, test := range []struct {
		name    string
		text    func(n int) []byte
		between time.Duration
		jitter  time.Duration // the time between two lines is longer by up to so much
	}{
		{"repeated/loop", repeated, time.Second, 200 * time.Microsecond},
		{"repeated/flood", repeated, time.Microsecond, 2 * time.Microsecond},
		{"training/step", trainingText, 250 * time.Microsecond, 100 * time.Microsecond},
		{"training/burst", trainingText, time.Microsecond, 2 * time.Microsecond},
	} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				compareSizes(b, timedLines(50_000, test.text, test.between, test.jitter))
			}
		})
	}
}

// timedLines returns lines whose times are random in their last digits, as those of a runtime are.
func timedLines(n int, text func(int) []byte, between, jitter time.Duration) []archive.Line {
	random := rand.New(rand.NewPCG(1, 2))
	lines, at := make([]archive.Line, n), linetest.Base
	for i := range lines {
		at += int64(between) + random.Int64N(int64(jitter))
		lines[i] = archive.Line{Time: at, Text: text(i)}
	}
	return lines
}

func compareSizes(b *testing.B, lines []archive.Line) {
	b.Helper()
	l := logOf(b, spoolWith(b, b.TempDir(), 0, 0), "c")
	appendAll(b, l, lines)
	linetest.WantLines(b, heldLines(b, l), lines)
	if _, err := l.End(); err != nil {
		b.Fatal(err)
	}
	stat, err := os.Stat(l.path(".log"))
	if err != nil {
		b.Fatal(err)
	}
	c, inline, framed := l.spool.Codec, stampedText(lines), 0
	stream := len(c.Encoder.EncodeAll(inline, nil))
	for rest := inline; len(rest) > 0; {
		n := min(len(rest), format.FrameTarget)
		framed += len(c.Encoder.EncodeAll(rest[:n], nil))
		rest = rest[n:]
	}
	size := float64(stat.Size())
	b.ReportMetric(size/float64(len(lines)), "B/line")
	b.ReportMetric(float64(framed)/float64(len(lines)), "inline-B/line")
	b.ReportMetric(size/float64(framed), "size/inline")
	b.ReportMetric(size/float64(stream), "size/inline-stream")
}

func trainingText(n int) []byte {
	return fmt.Appendf(nil, "INFO epoch %d step %d loss=%.6f lr=%.1e grad_norm=%.4f", n/1000, n, 1/float64(n+1), 1e-4, float64(n%97)/7)
}
