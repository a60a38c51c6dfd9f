package format

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// JournalIndex says what one journal object holds. It stands at the object's end.
type JournalIndex struct {
	Version  string       `json:"version"`
	Cluster  string       `json:"cluster,omitempty"` // see Spool.BelongTo
	Replica  string       `json:"replica"`
	Life     string       `json:"life"` // one run of one process
	Sequence int64        `json:"sequence"`
	Written  time.Time    `json:"written"`
	Epoch    int64        `json:"since,omitempty"` // the epoch of its writer, ns since 1970; see Spool.Trust
	Pods     []JournalPod `json:"pods"`
}

// JournalPod says what a journal object holds of one pod.
type JournalPod struct {
	archive.PodRef
	Draft *JournalPart `json:"draft,omitempty"` // the manifest as far as it was known, where it had changed
	Logs  []JournalLog `json:"logs,omitempty"`
}

// JournalLog says what a journal object holds of one log.
type JournalLog struct {
	Container   string                `json:"container"`
	Kind        archive.ContainerKind `json:"kind"`
	Restart     int                   `json:"restart"`
	ContainerID string                `json:"containerID,omitempty"`
	Copy        int64                 `json:"copy,omitempty"`   // of a life; line numbers go on within one only
	Lines       int64                 `json:"lines"`            // of the whole log when this was written
	Last        int64                 `json:"last,omitempty"`   // latest time in it, ns since 1970
	Frames      []JournalFrames       `json:"frames,omitempty"` // in the order of their lines
	Ended       bool                  `json:"ended,omitempty"`  // the log was read to its end: no line follows
	Record      *JournalPart          `json:"record,omitempty"` // the log object is in the store; this says which
}

// JournalFrames are frames of one log that lie side by side.
type JournalFrames struct {
	JournalPart
	FirstLine int64 `json:"firstLine"` // lines of the log before them
	Lines     int64 `json:"lines"`     // 0 where they hold gaps only
	Bytes     int64 `json:"bytes"`     // of their text
	Whole     bool  `json:"whole,omitempty"`
}

// JournalPart is a place in a journal object, in bytes.
type JournalPart struct {
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"`
}

const (
	// MagicDocument begins a JSON document between the frames of a journal object: a skippable frame of ours.
	MagicDocument     = 0x184D2A52
	magicJournalIndex = 0x184D2A53 // ours: the end of a journal object
	// documentHead is the name, the version and the checksum that a document or an index starts with.
	documentHead = 9
	// MaxEntries bounds the logs and pods of one journal object, so that its index stays far below MaxHead.
	MaxEntries = 8000
)

// ErrVersion stands beside ErrDamaged where bytes are whole, and mean something to another version of this program.
var ErrVersion = errors.New("another version")

// Instance returns the log's instance.
func (l *JournalLog) Instance(pod archive.PodRef) archive.Instance {
	return archive.Instance{PodRef: pod, Container: l.Container, Kind: l.Kind, Restart: l.Restart, ContainerID: l.ContainerID}
}

// Document returns a skippable frame with a compressed text in it. tail bytes are left free at its end.
func (c *Codec) Document(magic uint32, name string, text []byte, tail int) []byte {
	packed := c.compress(text)
	defer c.Release(packed)
	b := make([]byte, 0, SkippableSize+documentHead+len(packed)+tail)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, uint32(documentHead+len(packed)+tail))
	b = append(append(b, name...), 1)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(packed, castagnoli))
	return append(b, packed...)
}

// ReadDocument returns the text of the document at the start of b.
func (c *Codec) ReadDocument(b []byte, magic uint32, name string, tail int) ([]byte, error) {
	payload, err := skippable(b, magic, MaxIndex)
	if err != nil {
		return nil, err
	}
	if len(payload) < documentHead+tail || string(payload[:4]) != name {
		return nil, fmt.Errorf("document without the name %s: %w", name, archive.ErrDamaged)
	}
	if v := payload[4]; v != 1 {
		return nil, fmt.Errorf("document %s of version %d, this program reads version 1: %w: %w", name, v, ErrVersion, archive.ErrDamaged)
	}
	packed := payload[documentHead : len(payload)-tail]
	if crc32.Checksum(packed, castagnoli) != binary.LittleEndian.Uint32(payload[5:]) {
		return nil, fmt.Errorf("checksum of document %s differs: %w", name, archive.ErrDamaged)
	}
	return c.decompress(packed, MaxHead)
}

// EncodeJournalIndex returns the end of a journal object: the index as a compressed document, and behind it how long it
// is, so that it is found from the end.
func (c *Codec) EncodeJournalIndex(x *JournalIndex) ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("encode journal index: %w", err)
	}
	b := c.Document(magicJournalIndex, "EPLJ", text, indexTail)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)+indexTail))
	return append(b, "EPLJ"...), nil
}

// decodeJournalIndex reads the index that b is; before is the size of what stands before it in the object.
func (c *Codec) decodeJournalIndex(b []byte, before int64) (*JournalIndex, error) {
	text, err := c.ReadDocument(b, magicJournalIndex, "EPLJ", indexTail)
	if err != nil {
		return nil, err
	}
	var x JournalIndex
	if err := json.Unmarshal(text, &x); err != nil {
		return nil, fmt.Errorf("journal index: %w: %w", err, archive.ErrDamaged)
	}
	if x.Version != archive.FormatVersion {
		return nil, fmt.Errorf("journal index of version %q, this program reads %q: %w: %w", x.Version, archive.FormatVersion, ErrVersion, archive.ErrDamaged)
	}
	return &x, x.validate(before)
}

// validate refuses places outside of the object, and names that would lead out of the spool.
func (x *JournalIndex) validate(before int64) error {
	for i := range x.Pods {
		p := &x.Pods[i]
		if !archive.PlainName(string(p.PodUID)) || !p.Draft.within(before) {
			return fmt.Errorf("journal index: pod %q or the place of its draft: %w", p.PodUID, archive.ErrDamaged)
		}
		for k := range p.Logs {
			l := &p.Logs[k]
			outside := slices.ContainsFunc(l.Frames, func(f JournalFrames) bool {
				return !f.within(before) || f.FirstLine < 0 || f.Lines < 0 || f.Bytes < 0 || f.Bytes > 1<<53 || f.FirstLine+f.Lines < 0
			})
			if outside || !archive.PlainName(l.Container) || l.Restart < 0 || !l.Record.within(before) {
				return fmt.Errorf("journal index: log %q of pod %q: %w", l.Container, p.PodUID, archive.ErrDamaged)
			}
		}
	}
	return nil
}

func (p *JournalPart) within(size int64) bool {
	return p == nil || p.Offset >= 0 && p.Size > 0 && p.Size <= size && p.Offset <= size-p.Size
}

// ReadJournalIndex reads the index of a journal object: one range GET for most, two for large ones.
func (c *Codec) ReadJournalIndex(ctx context.Context, store archive.Store, key archive.Key) (*JournalIndex, error) {
	x, _, err := c.SizedJournalIndex(ctx, store, key)
	return x, err
}

// SizedJournalIndex returns the object's size, too, as far as it is known.
func (c *Codec) SizedJournalIndex(ctx context.Context, store archive.Store, key archive.Key) (x *JournalIndex, size int64, err error) {
	look := int64(FirstLook)
	for range 2 {
		var b []byte
		if b, size, err = Fetch(ctx, store, key, archive.Range{Offset: -look}); err != nil {
			return nil, 0, fmt.Errorf("read journal %s: %w", key, err)
		}
		n := journalIndexSize(b)
		if n > 0 && n <= int64(len(b)) {
			x, err := c.decodeJournalIndex(b[int64(len(b))-n:], size-n)
			if err != nil {
				return nil, size, fmt.Errorf("read journal %s: %w", key, err)
			}
			return x, size, nil
		}
		if n <= 0 || n > size {
			break
		}
		look = n
	}
	return nil, size, fmt.Errorf("read journal %s: no index at its end: %w", key, archive.ErrDamaged)
}

// journalIndexSize reads from the end of an object how long its index is, 0 where there is none.
func journalIndexSize(b []byte) int64 {
	if len(b) < indexTail || string(b[len(b)-4:]) != "EPLJ" {
		return 0
	}
	n := int64(binary.LittleEndian.Uint32(b[len(b)-indexTail:]))
	if n > MaxIndex || n < SkippableSize+documentHead+indexTail {
		return 0
	}
	return n
}
