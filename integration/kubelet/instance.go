package kubelet

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Instance is one container instance and its log: a script writes records, rotates the file and ends the process; the
// kubelet serves the file as the real one would. All methods may be called at once from many goroutines.
type Instance struct {
	pod       *Pod
	container string
	restart   int
	id        string // with the runtime's scheme

	mu      sync.Mutex
	files   []*file             // oldest first, the last is the current one; guarded by mu
	watches map[*watch]struct{} // of followers that have seen the end of a file once; guarded by mu
	kept    []byte              // of a line, what the runtime has read and made no record of; guarded by mu
	clock   func() time.Time    // guarded by mu; the node's, where it is not that of this machine
	maxFile int64               // rotate when the current file reaches this many bytes, 0: never; guarded by mu
	ended   bool                // the process is gone; guarded by mu
	removed bool                // the container and its files are gone; guarded by mu
	end     termination         // guarded by mu
	deaf    []span              // when streams hung that had served no line; guarded by mu
	done    chan struct{}       // closed with ended
}

// file is one log file. An open file stays readable after its rotation and removal, as an open descriptor does.
type file struct {
	records []Record
	served  []bool // per record: some stream has printed the whole of it
	bytes   int64
}

// span is a time from one moment to another.
type span struct{ from, to time.Time }

// ID returns the container's ID as the pod's status shows it.
func (i *Instance) ID() string { return i.id }

// Restart returns the instance's restart count, 0 for a container's first instance.
func (i *Instance) Restart() int { return i.restart }

// Append writes records to the current file in one go: no stream sees a part of them, no rotation falls between.
func (i *Instance) Append(records ...Record) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.appendTo(i.files[len(i.files)-1], records)
	i.rotateLarge()
}

// appendTo adds records to a file and wakes the followers. The caller holds mu.
func (i *Instance) appendTo(f *file, records []Record) {
	for _, r := range records {
		if bytes.IndexByte(r.Text, '\n') >= 0 {
			panic(fmt.Sprintf("kubelet: record text %.40q holds a newline: write one record per line", r.Text))
		}
		if r.Output == "" {
			r.Output = Stdout
		}
		f.records = append(f.records, r)
		f.served = append(f.served, false)
		f.bytes += r.fileBytes()
	}
	i.notify(eventChange)
}

// Write writes one line to stdout. A line above 16 KiB is split, as the runtime does.
func (i *Instance) Write(at time.Time, text string) {
	i.Append(Chunks(at, Stdout, text, ChunkBytes)...)
}

// WriteStderr writes one line to stderr, otherwise as Write.
func (i *Instance) WriteStderr(at time.Time, text string) {
	i.Append(Chunks(at, Stderr, text, ChunkBytes)...)
}

// WriteSplit writes one line to stdout in chunks of size bytes, each with a time of its own.
func (i *Instance) WriteSplit(at time.Time, text string, size int) {
	i.Append(Chunks(at, Stdout, text, size)...)
}

// WritePartial writes text without a newline to stdout: the last line of a log, or the start of a line.
func (i *Instance) WritePartial(at time.Time, text string) {
	i.Append(Record{Time: at, Partial: true, Text: []byte(text)})
}

// Rotate renames the current file away and opens a new one. What the old one holds can no longer be asked for.
func (i *Instance) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rotate()
}

func (i *Instance) rotate() {
	i.release()
	i.files = append(i.files, &file{})
	i.notify(eventChange) // the rename
	i.notify(eventCreate)
}

// RotateAt makes the log rotate by itself whenever the current file reaches size bytes. 0 turns it off.
func (i *Instance) RotateAt(size int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.maxFile = size
}

// Exit ends the process. Followers learn it at their next forced check; the pod's status is written to the API. What is
// written after Exit stands for output that the runtime had not flushed yet.
func (i *Instance) Exit(code int) { i.Terminate(code, "") }

// Terminate ends the process with a reason of its own, "OOMKilled" for one. "" is Completed for code 0, else Error.
func (i *Instance) Terminate(code int, reason string) {
	if reason == "" {
		reason = map[bool]string{true: "Completed", false: "Error"}[code == 0]
	}
	if !i.finish(termination{code: code, reason: reason, finished: i.pod.kubelet.now()}) {
		return
	}
	time.AfterFunc(i.pod.kubelet.opts.forceCheck, i.wake)
	i.pod.ended(i)
}

// finish notes the end. It reports whether the process ran until now: a kill may come second.
func (i *Instance) finish(end termination) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended {
		return false
	}
	end.started = i.end.started
	i.release()
	i.ended, i.end = true, end
	close(i.done)
	return true
}

// wake makes every waiting follower look again, as the forced check does.
func (i *Instance) wake() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.notify(eventChange)
}

// Remove deletes the container and its files. Streams that are open keep their file.
func (i *Instance) Remove() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.removed = true
	i.notify(eventChange)
}

// Ended reports whether the process is gone.
func (i *Instance) Ended() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ended
}

// Records returns every record ever written, oldest first, those of rotated files included.
func (i *Instance) Records() []Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []Record
	for _, f := range i.files {
		all = append(all, f.records...)
	}
	return all
}

// Served returns the records that some stream has handed whole to the network, in the order they were written. A stream
// that was killed may have lost the last of them on the way.
func (i *Instance) Served() []Record { return i.pick(true) }

// Unserved returns the records that no stream has printed so far.
func (i *Instance) Unserved() []Record { return i.pick(false) }

func (i *Instance) pick(served bool) []Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	var some []Record
	for _, f := range i.files {
		for n, r := range f.records {
			if f.served[n] == served {
				some = append(some, r)
			}
		}
	}
	return some
}

// Lines returns the lines that a reader of all files would see.
func (i *Instance) Lines() []Line { return Render(i.Records()) }

// Files returns the records of each file, oldest first. The last file is the one that can be read.
func (i *Instance) Files() [][]Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	var files [][]Record
	for _, f := range i.files {
		files = append(files, slices.Clone(f.records))
	}
	return files
}

// hung notes that a stream which had served no line hung from that time until now.
func (i *Instance) hung(from time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deaf = append(i.deaf, span{from, time.Now()})
}

// Deaf reports whether a stream that had served no line hung from that time, or before it, until the other one.
func (i *Instance) Deaf(from, to time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.deaf, func(s span) bool { return !s.from.After(from) && s.to.Equal(to) })
}
