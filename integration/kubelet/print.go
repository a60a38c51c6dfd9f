package kubelet

import (
	"bytes"
	"time"
)

// Print takes what a process writes to stdout in one go, with newlines anywhere in it, as a program does that buffers
// its output by blocks. Like the container runtime it makes a record of each line, and of each ChunkBytes of one, and
// keeps the start of a line until more of it comes. A rotation makes a record of what is kept, the old file's last one,
// and the rest of that line becomes the new file's first, with a time of its own. So does the end of the process, with
// its last words.
func (i *Instance) Print(at time.Time, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for rest := []byte(text); len(rest) > 0; {
		line, more, ends := bytes.Cut(rest, []byte("\n"))
		rest = more
		i.kept = append(i.kept, line...)
		for len(i.kept) > ChunkBytes {
			i.keep(Record{Time: at, Partial: true, Text: i.kept[:ChunkBytes]}, ChunkBytes)
		}
		if ends {
			i.keep(Record{Time: at, Text: i.kept}, len(i.kept))
		}
	}
	i.rotateLarge()
}

// SetClock has the node tell the time by another clock than this machine's.
func (i *Instance) SetClock(clock func() time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clock = clock
}

// keep writes a record of so many of the bytes that are kept. The caller holds mu.
func (i *Instance) keep(r Record, n int) {
	r.Text = bytes.Clone(r.Text)
	i.appendTo(i.files[len(i.files)-1], []Record{r})
	i.kept = append(i.kept[:0], i.kept[n:]...)
}

// release writes a record of what is kept, with the time of now: the runtime closes the file. The caller holds mu.
func (i *Instance) release() {
	if n := len(i.kept); n > 0 {
		now := time.Now
		if i.clock != nil {
			now = i.clock
		}
		i.keep(Record{Time: now(), Partial: true, Text: i.kept}, n)
	}
}

// rotateLarge rotates where the current file has reached the size for it. The caller holds mu.
func (i *Instance) rotateLarge() {
	if i.maxFile > 0 && i.files[len(i.files)-1].bytes >= i.maxFile {
		i.rotate()
	}
}
