package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// Flush puts what is not journaled yet, and returns when it is in the store. Store trouble is waited out for as long as the
// context lives. Where there is nothing new nothing is put.
func (j *Journal) Flush(ctx context.Context) error {
	if err := lock(ctx, j.turn); err != nil {
		return err
	}
	defer func() { j.turn <- struct{}{} }()
	if err := j.begin(ctx); err != nil {
		return err
	}
	s := &sheet{journal: j}
	defer s.discard()
	err := j.write(ctx, s)
	s.remark()
	return err
}

// write goes over all pods in the spool and puts a sheet each time one is full.
func (j *Journal) write(ctx context.Context, s *sheet) error {
	logs := map[PodUID][]*Log{}
	for _, l := range j.spool.all() {
		logs[l.instance.PodUID] = append(logs[l.instance.PodUID], l)
	}
	s.undrafted = j.spool.takeDrafted()
	pods := maps.Clone(s.undrafted)
	for pod := range logs {
		pods[pod] = struct{}{}
	}
	for _, pod := range slices.Sorted(maps.Keys(pods)) {
		if _, drafted := s.undrafted[pod]; drafted {
			if err := s.addDraft(pod); err != nil {
				return fmt.Errorf("write journal: %w", err)
			}
		}
		for _, l := range logs[pod] {
			if err := j.writeLog(ctx, s, l); err != nil {
				return err
			}
		}
		if s.entries >= maxEntries {
			if err := j.put(ctx, s); err != nil {
				return err
			}
		}
	}
	return j.put(ctx, s)
}

func (j *Journal) writeLog(ctx context.Context, s *sheet, l *Log) error {
	for more := true; more; {
		t := j.logs[l]
		if t == nil {
			t = &journaled{}
		}
		c, err := l.cut(s.reached(l, t.at), max(1, j.cfg.MaxObject-s.size))
		if err != nil {
			// The disk's trouble with one log is its own: the follower meets it too. The others are journaled.
			j.log.Warn("journal log", "instance", l.instance, "err", err)
			return nil
		}
		if c == nil {
			return nil
		}
		more = c.more
		if err := s.addLog(c); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		if s.size >= j.cfg.MaxObject || s.entries >= 2*maxEntries {
			if err := j.put(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// sheet is a journal object in the making. It is a file without a name beside the spool: nothing is left of it when the
// process dies, memory stays free, and each try of the store reads the same bytes. Its bytes count in the spool.
type sheet struct {
	journal *Journal
	file    *os.File
	out     *bufio.Writer
	size    int64
	entries int
	index   JournalIndex
	cuts    []*cut
	drafts  []*journaledDraft

	undrafted map[PodUID]struct{} // drafts that are not in the store
}

// reached is the position after what the sheet holds of a log.
func (s *sheet) reached(l *Log, at position) position {
	if n := len(s.cuts); n > 0 && s.cuts[n-1].log == l {
		return s.cuts[n-1].to
	}
	return at
}

// add appends the bytes that r gives, which must be size.
func (s *sheet) add(r io.Reader, size int64) (JournalPart, error) {
	if s.file == nil {
		file, err := os.CreateTemp(s.journal.spool.cfg.Dir, ".journal-*")
		if err != nil {
			return JournalPart{}, err
		}
		s.file, s.out = file, bufio.NewWriterSize(file, 64<<10)
		if err := os.Remove(file.Name()); err != nil {
			return JournalPart{}, err
		}
	}
	part := JournalPart{Offset: s.size, Size: size}
	n, err := io.Copy(s.out, r)
	s.size += n
	s.journal.spool.grow(n)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return part, err
}

func (s *sheet) addBytes(b []byte) (JournalPart, error) {
	return s.add(&byteReader{b}, int64(len(b)))
}

// byteReader gives bytes once.
type byteReader struct{ rest []byte }

func (r *byteReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (s *sheet) pod(pod PodRef) *JournalPod {
	if n := len(s.index.Pods); n > 0 && s.index.Pods[n-1].PodUID == pod.PodUID {
		return &s.index.Pods[n-1]
	}
	s.index.Pods = append(s.index.Pods, JournalPod{PodRef: pod})
	s.entries++
	return &s.index.Pods[len(s.index.Pods)-1]
}

// addDraft adds a pod's draft where it is not the one that is in the store.
func (s *sheet) addDraft(pod PodUID) error {
	text, err := s.journal.spool.draftText(pod)
	if err != nil || text == nil {
		return err
	}
	d := &journaledDraft{sum: sha256.Sum256(text)}
	if had := s.journal.drafts[pod]; had != nil && had.sum == d.sum {
		delete(s.undrafted, pod)
		return nil
	}
	var named struct {
		Pod PodRef `json:"pod"`
	}
	if err := json.Unmarshal(text, &named); err != nil || named.Pod.PodUID != pod || len(text) > maxHead {
		s.journal.log.Warn("draft cannot be journaled", "pod_uid", pod, "bytes", len(text), "err", err)
		delete(s.undrafted, pod)
		return nil
	}
	d.pod = named.Pod
	part, err := s.addBytes(s.journal.spool.codec.document(magicDocument, "EPLD", text, 0))
	if err != nil {
		return err
	}
	s.pod(d.pod).Draft = &part
	s.drafts = append(s.drafts, d)
	return nil
}

func (s *sheet) addLog(c *cut) error {
	s.cuts = append(s.cuts, c)
	defer c.close()
	if oldest := &s.journal.inFlight; c.fresh != 0 && (oldest.Load() == 0 || c.fresh < oldest.Load()) {
		oldest.Store(c.fresh)
	}
	i := c.log.instance
	e := JournalLog{
		Container: i.Container, Kind: i.Kind, Restart: i.Restart, ContainerID: i.ContainerID,
		Lines: c.lines, Last: c.last, Ended: c.ended,
	}
	if c.size > 0 {
		part, err := s.add(c.frames(), c.size)
		if err != nil {
			return err
		}
		e.Frames = append(e.Frames, JournalFrames{part, c.first, c.wholeLines, true})
	}
	if len(c.tail) > 0 {
		part, err := s.addBytes(c.tail)
		if err != nil {
			return err
		}
		e.Frames = append(e.Frames, JournalFrames{part, c.tailFirst, c.tailLines, false})
		s.journal.stats.tails.Add(int64(len(c.tail)))
		c.tail = nil
	}
	if c.record != nil {
		text, err := json.Marshal(c.record)
		if err != nil {
			return err
		}
		part, err := s.addBytes(s.journal.spool.codec.document(magicDocument, "EPLD", text, 0))
		if err != nil {
			return err
		}
		e.Record = &part
	}
	s.journal.stats.frames.Add(c.size)
	p := s.pod(i.PodRef)
	p.Logs = append(p.Logs, e)
	s.entries++
	return nil
}

// put completes the sheet, puts it and has the journal remember what is in the store now. The sheet is empty then.
func (j *Journal) put(ctx context.Context, s *sheet) error {
	if s.entries == 0 {
		return nil
	}
	key, err := j.putSheet(ctx, s)
	if err != nil {
		return fmt.Errorf("put journal: %w", err)
	}
	j.stats.objects.Add(1)
	j.stats.bytes.Add(s.size)
	j.commit(s, key)
	s.cuts, s.drafts = nil, nil
	s.discard()
	return nil
}

// putSheet tries sequence after sequence until one is free. Nobody else should write under our name; who does loses nothing.
func (j *Journal) putSheet(ctx context.Context, s *sheet) (Key, error) {
	frames := s.size
	for {
		key := journalKey(j.cfg.Replica, j.sequence)
		s.index.Version, s.index.Replica, s.index.Life = formatVersion, j.cfg.Replica, j.life
		s.index.Sequence, s.index.Written = j.sequence, time.Now().UTC()
		index, err := j.spool.codec.encodeJournalIndex(&s.index)
		if err != nil {
			return "", err
		}
		if _, err := s.addBytes(index); err != nil {
			return "", err
		}
		if err := s.out.Flush(); err != nil {
			return "", err
		}
		body := &spoolFile{file: s.file}
		err = j.breaker.do(ctx, "put journal", func(ctx context.Context) error {
			err := j.store.Put(ctx, key, body, PutOptions{IfAbsent: true})
			if local := body.err.Load(); err != nil && local != nil {
				return fmt.Errorf("%w: %w", errSpoolFile, *local)
			}
			return err
		})
		if err == nil {
			j.sequence++
			return key, nil
		}
		if !errors.Is(err, ErrExists) {
			return "", err
		}
		same, life, err := j.isOurs(ctx, key, index, s.size)
		if err != nil {
			return "", err
		}
		j.sequence++
		if same {
			return key, nil
		}
		if !life {
			j.stats.collisions.Add(1)
			j.log.Warn("another process writes a journal under this name", "replica", j.cfg.Replica, "key", key)
		}
		if err := s.cutBack(frames); err != nil {
			return "", err
		}
	}
}

func (s *sheet) cutBack(size int64) error {
	s.journal.spool.grow(size - s.size)
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
		c.undo()
		c.close()
	}
	s.journal.inFlight.Store(0)
	if s.file != nil {
		s.file.Close() // it has no name, and nobody reads it any more
		s.journal.spool.grow(-s.size)
	}
	*s = sheet{journal: s.journal, undrafted: s.undrafted}
}

// remark has the spool remember the drafts that are not in the store.
func (s *sheet) remark() {
	for pod := range s.undrafted {
		if _, err := os.Stat(s.journal.spool.draftPath(pod)); err == nil {
			s.journal.spool.markDrafted(pod)
		}
	}
}

// commit remembers what is in the store now.
func (j *Journal) commit(s *sheet, key Key) {
	o := &journalObject{key: key}
	j.objects[key] = o
	for _, d := range s.drafts {
		if had := j.drafts[d.pod.PodUID]; had != nil {
			had.held.uses--
		}
		d.held = o
		o.uses++
		j.drafts[d.pod.PodUID] = d
		delete(s.undrafted, d.pod.PodUID)
	}
	for _, c := range s.cuts {
		t := j.logs[c.log]
		if t == nil {
			t = &journaled{}
			j.logs[c.log] = t
		}
		t.at = c.to
		o.uses++
		if c.size == 0 && !c.ended && c.record == nil {
			t.tails = append(t.tails, o)
			continue
		}
		t.pinned = append(t.pinned, o)
		if c.size > 0 { // a whole frame holds all that .tail held before
			release(t.tails)
			t.tails = nil
		}
	}
}

func release(objects []*journalObject) {
	for _, o := range objects {
		o.uses--
	}
}
