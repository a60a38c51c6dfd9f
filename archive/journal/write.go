package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// Flush puts what is not journaled yet, and returns when it is in the store. Store trouble is waited out for as long as
// the context lives. Where there is nothing new nothing is put.
func (j *Journal) Flush(ctx context.Context) error {
	if err := patient.Lock(ctx, j.turn); err != nil {
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
	logs := map[archive.PodUID][]*spool.Log{}
	for _, l := range j.Spool.All() {
		logs[l.Instance().PodUID] = append(logs[l.Instance().PodUID], l)
	}
	s.undrafted = j.Spool.TakeDrafted()
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
		if s.entries >= format.MaxEntries {
			if err := j.put(ctx, s); err != nil {
				return err
			}
		}
	}
	return j.put(ctx, s)
}

func (j *Journal) writeLog(ctx context.Context, s *sheet, l *spool.Log) error {
	for more := true; more; {
		t := j.logs[l]
		if t == nil {
			t = &journaled{}
		}
		from, limit := s.reached(l, t.at), max(1, j.cfg.MaxObject-s.size)
		frames, tail := false, false
		if from == t.at {
			if from, frames, tail = t.again(j.cfg.Compact, j.cfg.MaxObject/2); frames {
				// what is written again must be whole in one object: only then it stands for the others
				limit = math.MaxInt64
			}
		}
		c := &cut{againFrames: frames, againTail: tail}
		var err error
		if c.Cut, err = l.Cut(from, limit); err != nil {
			// The disk's trouble with one log is its own: the follower meets it too. The others are journaled.
			j.Log.Warn("journal log", "instance", l.Instance(), "err", err)
			return nil
		}
		if c.Cut == nil {
			return nil
		}
		if more = c.More; frames || tail {
			j.stats.compacted.Add(c.Size + c.TailSize)
		}
		if err := s.addLog(c); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		if s.size >= j.cfg.MaxObject || s.entries >= 2*format.MaxEntries {
			if err := j.put(ctx, s); err != nil {
				return err
			}
		}
	}
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

// putSheet tries sequence after sequence until one is free. Nobody else should write under our name; whoever does loses
// nothing.
func (j *Journal) putSheet(ctx context.Context, s *sheet) (archive.Key, error) {
	frames := s.size
	for ; ; j.sequence++ {
		key := archive.JournalKey(j.cfg.Replica, j.sequence)
		index, err := s.finish()
		if err != nil {
			return "", err
		}
		err = j.Store.Put(ctx, key, &patient.SpoolFile{File: s.file}, archive.PutOptions{IfAbsent: true})
		if err == nil {
			j.sequence++
			return key, nil
		}
		if !errors.Is(err, archive.ErrExists) {
			return "", err
		}
		same, life, err := j.isOurs(ctx, key, index, s.size)
		if err != nil {
			return "", err
		}
		if same {
			j.sequence++
			return key, nil
		}
		if !life {
			j.stats.collisions.Add(1)
			j.Log.Warn("another process writes a journal under this name", "replica", j.cfg.Replica, "key", key)
		}
		if err := s.cutBack(frames); err != nil {
			return "", err
		}
	}
}

// commit remembers what is in the store now.
func (j *Journal) commit(s *sheet, key archive.Key) {
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
		t := j.logs[c.Log]
		if t == nil {
			t = &journaled{}
			j.logs[c.Log] = t
		}
		t.hold(o, c, j.cfg.MaxObject/2)
	}
}
