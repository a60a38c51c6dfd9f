package kubelet

import (
	"context"
	"errors"
	"math"
	"time"
)

// timeFormat is the kubelet's fixed-width form of a time: nine digits, in the zone of the node.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// timeFormatShort is the form of kubelets before 1.20, which drop zeros at the end.
const timeFormatShort = "2006-01-02T15:04:05.999999999Z07:00"

// errLimit ends a reading that has printed limitBytes.
var errLimit = errors.New("limit reached")

// reader prints one log for one request. It takes the steps of the kubelet's ReadLogs one by one, its mistakes
// included: the watch starts at the first end of file, so a rotation before that goes unseen; a rotation leads to the
// current file, so files that came and went meanwhile are skipped; after the end of the container no further file is
// opened.
type reader struct {
	inst  *Instance
	opts  logOptions
	sink  *sink
	file  *file
	next  int   // index of the next record in file
	limit int64 // bytes that may still be printed
	fresh bool  // the next record starts a new line
	watch *watch
	found bool   // false once the container has ended
	line  []byte // the last printed line, kept for its space
}

func newReader(inst *Instance, opts logOptions, s *sink) *reader {
	r := &reader{inst: inst, opts: opts, sink: s, limit: math.MaxInt64, fresh: true, found: true}
	if opts.limitBytes != nil {
		r.limit = *opts.limitBytes
	}
	return r
}

// run prints until the log ends, the container ends (follow) or something breaks. Its error is text for the body.
func (r *reader) run(ctx context.Context) error {
	r.open()
	defer r.close()
	for {
		rec, n, ok := r.read()
		if ok {
			if err := r.print(rec, n); err != nil {
				return ignore(err, errLimit)
			}
			continue
		}
		if !r.opts.follow || !r.found {
			return nil
		}
		if err := r.await(ctx); err != nil {
			return err
		}
	}
}

// open opens the current file and seeks to the last tailLines records.
func (r *reader) open() {
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	r.file = r.inst.files[len(r.inst.files)-1]
	if n := len(r.file.records); r.opts.tailLines != nil && int64(n) > *r.opts.tailLines {
		r.next = n - int(*r.opts.tailLines)
	}
}

func (r *reader) close() {
	if r.watch != nil {
		r.inst.dropWatch(r.watch)
	}
}

// read takes the next record of the open file. A reading with tailLines but without follow stops after that many, also
// where more have come.
func (r *reader) read() (Record, int, bool) {
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	if !r.opts.follow && r.opts.tailLines != nil {
		if *r.opts.tailLines == 0 {
			return Record{}, 0, false
		}
		defer func() { *r.opts.tailLines-- }()
	}
	if r.next >= len(r.file.records) {
		return Record{}, 0, false
	}
	n := r.next
	r.next++
	return r.file.records[n], n, true
}

// await is the end of the file in a follow: the first time it only starts the watch and looks again.
func (r *reader) await(ctx context.Context) (err error) {
	if err := r.sink.idle(); err != nil {
		return err
	}
	if r.watch == nil {
		r.watch, err = r.inst.addWatch()
		return err
	}
	found, recreated, err := r.inst.wait(ctx, r.watch)
	if err != nil {
		return err
	}
	r.found = found
	if recreated {
		r.reopen()
	}
	return nil
}

func (r *reader) reopen() {
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	r.file, r.next = r.inst.files[len(r.inst.files)-1], 0
}

// print writes one record unless it is older than since. The "new line" flag follows the skipped records too, so a
// reading that starts inside a split line starts with text that has no time.
func (r *reader) print(rec Record, n int) error {
	fresh := r.fresh
	r.fresh = endsLine(rec)
	if rec.Time.Before(r.opts.since) {
		return nil
	}
	line := r.format(rec, fresh)
	whole := int64(len(line)) <= r.limit
	if !whole {
		line = line[:r.limit]
	}
	if err := r.sink.write(line, func() { r.mark(n, whole) }); err != nil {
		return err
	}
	r.limit -= int64(len(line))
	if r.limit <= 0 {
		return errLimit
	}
	return nil
}

func (r *reader) format(rec Record, fresh bool) []byte {
	line := r.line[:0]
	if r.opts.timestamps && (fresh || r.inst.pod.kubelet.opts.stampAll) {
		line = r.inst.pod.kubelet.appendTime(line, rec.Time)
		line = append(line, ' ')
	}
	line = append(line, rec.Text...)
	if !rec.Partial {
		line = append(line, '\n')
	}
	r.line = line
	return line
}

// mark notes that the record was printed whole.
func (r *reader) mark(n int, whole bool) {
	if !whole {
		return
	}
	r.inst.mu.Lock()
	defer r.inst.mu.Unlock()
	r.file.served[n] = true
}

func (k *Kubelet) appendTime(b []byte, at time.Time) []byte {
	if k.opts.shortTimes {
		return at.In(k.opts.zone).AppendFormat(b, timeFormatShort)
	}
	return at.In(k.opts.zone).AppendFormat(b, timeFormat)
}

// ignore returns nil for an error that is none to the caller.
func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
