package archive

import (
	"encoding/binary"
	"hash/maphash"
)

// Line is one log line as the kubelet served it.
type Line struct {
	// Time is the node's clock when the container runtime read the line, in nanoseconds since 1970. 0: not known.
	Time int64
	// Text is the line without its timestamp and without the newline at its end. It may hold any bytes but a newline,
	// and at most MaxLine of them.
	Text []byte
	// Partial: the served text ended without a newline, so this is the log's last line or a line that was cut.
	Partial bool
}

var hashSeed = maphash.MakeSeed()

// Hash is what two lines are compared by within one process: their time, bytes and end.
func (line Line) Hash() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	t := uint64(line.Time)
	if line.Partial {
		t = ^t
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], t)
	h.Write(b[:])
	h.Write(line.Text)
	return h.Sum64()
}

// MaxLine is the longest line that is kept in one piece. A longer one is kept as several Partial lines of the same
// time, so that no container can make the daemon hold more than this for a line.
const MaxLine = 1 << 20

// Size is what the line takes in the log's text.
func (line *Line) Size() int64 {
	if line.Partial {
		return int64(len(line.Text))
	}
	return int64(len(line.Text)) + 1
}
