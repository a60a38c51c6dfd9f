package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"time"
)

// output is stdout with a memory of what went through it.
type output struct {
	file  io.Writer
	truth string // path of the termination message
	sum   hash.Hash
	lines int64
	bytes int64
	last  byte // the last byte written, to count a line that no newline ends

	tick  time.Duration // between the bursts of pace; 0: a few milliseconds
	block int           // pace writes just so many bytes at a time; 0: what is due
	held  []byte        // what fills no block yet
}

func (o *output) Write(b []byte) (int, error) {
	if o.sum == nil {
		o.sum = sha256.New()
	}
	n, err := o.file.Write(b)
	o.sum.Write(b[:n])
	o.bytes += int64(n)
	for _, c := range b[:n] {
		if c == '\n' {
			o.lines++
		}
		o.last = c
	}
	return n, err
}

// tell writes the truth so far into the termination message. A machine without that file is not a pod: nothing is lost.
func (o *output) tell() error {
	if _, err := os.Stat(o.truth); err != nil {
		return nil
	}
	text, err := o.told()
	if err != nil {
		return err
	}
	return os.WriteFile(o.truth, text, 0o600)
}

func (o *output) told() ([]byte, error) {
	lines := o.lines
	if o.bytes > 0 && o.last != '\n' {
		lines++
	}
	sum := sha256.Sum256(nil)
	if o.sum != nil {
		copy(sum[:], o.sum.Sum(nil))
	}
	return json.Marshal(map[string]any{"lines": lines, "bytes": o.bytes, "sha256": fmt.Sprintf("%x", sum)})
}

// pace writes n pieces at so many a second, in bursts at each tick; a rate of 0 is as fast as it goes. It stops
// early when stop is closed.
func (o *output) pace(n int, rate float64, stop <-chan struct{}, piece func(b []byte, i int) []byte) (int, error) {
	tick := time.NewTicker(cmp.Or(o.tick, 5*time.Millisecond))
	defer tick.Stop()
	begun := time.Now()
	var burst []byte
	for i := 0; i < n; {
		due := n
		if rate > 0 {
			due = min(n, 1+int(time.Since(begun).Seconds()*rate))
		}
		burst = burst[:0]
		for ; i < due && len(burst) < 64<<10; i++ {
			burst = piece(burst, i)
		}
		if err := o.give(burst); err != nil {
			return i, err
		}
		if i < due {
			continue
		}
		select {
		case <-stop:
			return i, nil
		case <-tick.C:
		}
	}
	return n, nil
}

// give writes the burst: at once, or as much of all that is held as fills blocks.
func (o *output) give(burst []byte) error {
	if o.block == 0 {
		_, err := o.Write(burst)
		return err
	}
	for o.held = append(o.held, burst...); len(o.held) >= o.block; o.held = o.held[o.block:] {
		if _, err := o.Write(o.held[:o.block]); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what filled no block.
func (o *output) flush() error {
	_, err := o.Write(o.held)
	o.held = nil
	return err
}
