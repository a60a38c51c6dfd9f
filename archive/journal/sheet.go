package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/disk"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// sheet is a journal object in the making. It is a file without a name beside the spool: nothing is left of it when the
// process dies, memory stays free, and each try of the store reads the same bytes. Its bytes count in the spool.
type sheet struct {
	journal *Journal
	file    *os.File
	out     *bufio.Writer
	size    int64
	entries int
	index   format.JournalIndex
	cuts    []*cut
	drafts  []*journaledDraft

	undrafted map[archive.PodUID]struct{} // drafts that are not in the store
}

// reached is the position after what the sheet holds of a log.
func (s *sheet) reached(l *spool.Log, at spool.Position) spool.Position {
	if n := len(s.cuts); n > 0 && s.cuts[n-1].Log == l {
		return s.cuts[n-1].To
	}
	return at
}

// add appends the bytes of r, which must be size.
func (s *sheet) add(r io.Reader, size int64) (format.JournalPart, error) {
	if s.file == nil {
		file, err := s.journal.Spool.Nameless()
		if err != nil {
			return format.JournalPart{}, err
		}
		s.file, s.out = file, bufio.NewWriterSize(file, 64<<10)
	}
	part := format.JournalPart{Offset: s.size, Size: size}
	n, err := io.Copy(s.out, r)
	s.noted(err)
	s.size += n
	s.journal.Spool.Grow(n)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return part, err
}

func (s *sheet) addBytes(b []byte) (format.JournalPart, error) {
	return s.add(bytes.NewReader(b), int64(len(b)))
}

func (s *sheet) pod(pod archive.PodRef) *format.JournalPod {
	if n := len(s.index.Pods); n > 0 && s.index.Pods[n-1].PodUID == pod.PodUID {
		return &s.index.Pods[n-1]
	}
	s.index.Pods = append(s.index.Pods, format.JournalPod{PodRef: pod})
	s.entries++
	return &s.index.Pods[len(s.index.Pods)-1]
}

// addDraft adds a pod's draft where it is not the one that is in the store.
func (s *sheet) addDraft(pod archive.PodUID) error {
	text, err := s.journal.Spool.DraftText(pod)
	if err != nil || text == nil {
		return err
	}
	d := &journaledDraft{sum: sha256.Sum256(text)}
	if had := s.journal.drafts[pod]; had != nil && had.sum == d.sum {
		delete(s.undrafted, pod)
		return nil
	}
	var named struct {
		Pod archive.PodRef `json:"pod"`
	}
	if err := json.Unmarshal(text, &named); err != nil || named.Pod.PodUID != pod || len(text) > format.MaxHead {
		s.journal.Log.Warn("draft cannot be journaled", "pod_uid", pod, "bytes", len(text), "err", err)
		delete(s.undrafted, pod)
		return nil
	}
	d.pod = named.Pod
	part, err := s.addDocument(text)
	if err != nil {
		return err
	}
	s.pod(d.pod).Draft = part
	s.drafts = append(s.drafts, d)
	return nil
}

// addDocument appends a JSON text.
func (s *sheet) addDocument(text []byte) (*format.JournalPart, error) {
	part, err := s.addBytes(s.journal.Spool.Codec.Document(format.MagicDocument, "EPLD", text, 0))
	return &part, err
}

func (s *sheet) addLog(c *cut) error {
	s.cuts = append(s.cuts, c)
	defer c.Close()
	if oldest := &s.journal.inFlight; c.Fresh != 0 && (oldest.Load() == 0 || c.Fresh < oldest.Load()) {
		oldest.Store(c.Fresh)
	}
	e := c.Entry()
	for frames, bytes := range c.Frames() {
		var err error
		if frames.JournalPart, err = s.add(bytes, frames.Size); err != nil {
			return err
		}
		e.Frames = append(e.Frames, frames)
	}
	s.journal.stats.frames.Add(c.Size)
	s.journal.stats.tails.Add(c.TailSize)
	if c.Record != nil {
		text, err := json.Marshal(c.Record)
		if err != nil {
			return err
		}
		if e.Record, err = s.addDocument(text); err != nil {
			return err
		}
	}
	p := s.pod(c.Log.Instance().PodRef)
	p.Logs = append(p.Logs, e)
	s.entries++
	return nil
}

// finish writes the index at the end.
func (s *sheet) finish() ([]byte, error) {
	j := s.journal
	s.index.Version, s.index.Cluster, s.index.Replica, s.index.Life = archive.FormatVersion, j.Spool.Cluster, j.cfg.Replica, j.life
	s.index.Sequence, s.index.Written, s.index.Epoch = j.sequence, time.Now().UTC(), j.Spool.Epoch()
	index, err := j.Spool.Codec.EncodeJournalIndex(&s.index)
	if err != nil {
		return nil, err
	}
	if _, err := s.addBytes(index); err != nil {
		return nil, err
	}
	err = s.out.Flush()
	s.noted(err)
	return index, err
}

// noted tells the spool that the disk is full. The journal waits for room as the streams do, and grows old.
func (s *sheet) noted(err error) {
	if disk.LacksRoom(err) {
		s.journal.Spool.Lost(err)
	}
}

func (s *sheet) cutBack(size int64) error {
	s.journal.Spool.Grow(size - s.size)
	s.size = size
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	_, err := s.file.Seek(size, io.SeekStart)
	return err
}

// discard empties the sheet. What it held and is not in the store counts as not journaled.
func (s *sheet) discard() {
	for _, c := range s.cuts {
		c.Undo()
		c.Close()
	}
	s.journal.inFlight.Store(0)
	if s.file != nil {
		s.file.Close() // it has no name, and nobody reads it any more
		s.journal.Spool.Grow(-s.size)
	}
	*s = sheet{journal: s.journal, undrafted: s.undrafted}
}

// remark marks the drafts that are not in the store.
func (s *sheet) remark() {
	for pod := range s.undrafted {
		s.journal.Spool.MarkDrafted(pod)
	}
}
