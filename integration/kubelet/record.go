package kubelet

import (
	"bytes"
	"time"
)

// Output says which of its two outputs a process wrote to. The log API shows both as one and does not tell them apart.
type Output string

// The two outputs of a process.
const (
	Stdout Output = "stdout"
	Stderr Output = "stderr"
)

// ChunkBytes is where the container runtime splits a line: containerd's max_container_log_line_size.
const ChunkBytes = 16 << 10

// Record is one record of a log file, as the container runtime writes it: a whole line, or one chunk of a long one.
type Record struct {
	Time    time.Time
	Output  Output // "" is stdout
	Partial bool   // tag P: the text goes on in a later record, or the log ends without a newline
	Text    []byte // any bytes but a newline
}

// Line is one line as the kubelet prints it: the text of the records between two newlines, with the time of the first.
type Line struct {
	Time    time.Time
	Text    string
	Partial bool // no newline at its end
}

// fileBytes is the record's length in the file: time, output, tag and text with blanks between and a newline.
func (r Record) fileBytes() int64 {
	return int64(len(timeFormat) + len(" stdout F ") + len(r.Text) + 1)
}

// Render returns the lines that the kubelet prints for the records. It keeps one "new line" flag for both outputs, so
// a record that follows an unfinished one of the other output is glued to it.
func Render(records []Record) []Line {
	var lines []Line
	fresh := true
	for _, r := range records {
		if fresh {
			lines = append(lines, Line{Time: r.Time, Partial: true})
		}
		last := &lines[len(lines)-1]
		last.Text += string(r.Text)
		last.Partial = r.Partial
		fresh = endsLine(r)
	}
	return lines
}

// endsLine reports whether the kubelet takes what follows the record for a new line. An empty chunk counts as one.
func endsLine(r Record) bool { return !r.Partial || len(r.Text) == 0 }

// Chunks returns the records that the runtime makes of one line: chunks of size bytes, all but the last with tag P,
// each with a time of its own (one microsecond after the other here). A carriage return at the end is dropped, as
// containerd drops it.
func Chunks(at time.Time, out Output, text string, size int) []Record {
	rest := bytes.TrimSuffix([]byte(text), []byte("\r"))
	var records []Record
	for len(rest) > size {
		records = append(records, Record{Time: at, Output: out, Partial: true, Text: rest[:size]})
		rest, at = rest[size:], at.Add(time.Microsecond)
	}
	return append(records, Record{Time: at, Output: out, Text: rest})
}
