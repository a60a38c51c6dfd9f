package cli

import (
	"bytes"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
)

// tails keeps the last lines of each log.
type tails struct {
	most  int
	logs  map[archive.LogID]*tailOf
	order []archive.LogID
}

// tailOf is a ring of one log's last lines.
type tailOf struct {
	ring []archive.Entry
	next int   // where the next line goes once the ring is full, which is where the oldest one is
	last int64 // the number of the last line
}

func (t *tails) add(e *archive.Entry) error {
	id := e.Instance.ID()
	log := t.logs[id]
	if log == nil {
		log = &tailOf{}
		t.logs[id] = log
		t.order = append(t.order, id)
	}
	log.last = e.Number
	if t.most == 0 {
		return nil
	}
	kept := *e
	kept.Text = bytes.Clone(e.Text)
	if len(log.ring) < t.most {
		log.ring = append(log.ring, kept)
		return nil
	}
	log.ring[log.next] = kept
	log.next = (log.next + 1) % t.most
	return nil
}

// each passes on the lines, log after log.
func (t *tails) each(use func(*archive.Entry) error) error {
	for _, id := range t.order {
		log := t.logs[id]
		for _, e := range slices.Concat(log.ring[log.next:], log.ring[:log.next]) {
			if err := use(&e); err != nil {
				return err
			}
		}
	}
	return nil
}

// after returns the last line of each log, to go on behind it.
func (t *tails) after() map[archive.LogID]int64 {
	after := map[archive.LogID]int64{}
	for id, log := range t.logs {
		after[id] = log.last
	}
	return after
}
