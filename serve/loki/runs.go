package loki

import (
	"context"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// countAtOnce is how many logs are counted at once.
const countAtOnce = 16

// Runs counts lines by what manifests and indexes say. Text is read of those frames alone that lie over the edge of a
// window, and of what is open. It declines where the level of each line is asked for, which only its text tells.
func (s *source) Runs(ctx context.Context, matchers []logql.Matcher, by logql.Grouping, windows logql.Windows) (iter.Seq2[logql.Run, error], bool) {
	if slices.Contains(by.Labels, metaLevel) != by.Without {
		return nil, false
	}
	return func(yield func(logql.Run, error) bool) {
		logs, err := s.catalogue.find(ctx, s.who, matchers, windows.From(), windows.To())
		for ; err == nil && len(logs) > 0; logs = logs[min(len(logs), countAtOnce):] {
			var counted [][]logql.Run
			if counted, err = s.countAll(ctx, logs[:min(len(logs), countAtOnce)], matchers, windows); err != nil {
				break
			}
			for _, runs := range counted {
				for i := range runs {
					if !yield(runs[i], nil) {
						return
					}
				}
			}
		}
		if err != nil {
			yield(logql.Run{}, err)
		}
	}, true
}

func (s *source) countAll(ctx context.Context, logs []*keptLog, matchers []logql.Matcher, windows logql.Windows) ([][]logql.Run, error) {
	counted := make([][]logql.Run, len(logs))
	counting, within := errgroup.WithContext(ctx)
	for i, l := range logs {
		counting.Go(func() error {
			c := &count{shelf: s.catalogue.shelf, log: l, windows: windows}
			if l.matches(matchers, l.stream) {
				if err := c.lines(within); err != nil {
					return err
				}
			}
			if l.matches(matchers, l.aside) {
				for n := range l.notes {
					c.add(logql.Run{Stream: l.aside, Time: l.notes[n].at, Lines: 1, Bytes: int64(len(l.notes[n].text))})
				}
			}
			counted[i] = c.runs
			return nil
		})
	}
	return counted, counting.Wait()
}

// count is the counting of one log.
type count struct {
	shelf   *shelf
	log     *keptLog
	windows logql.Windows
	runs    []logql.Run
}

// add takes in lines, together with those before where they lie in the same windows.
func (c *count) add(r logql.Run) {
	if r.Time < c.windows.From() || r.Time >= c.windows.To() {
		return
	}
	r.Meta = c.log.meta
	if n := len(c.runs); n > 0 {
		last := &c.runs[n-1]
		if low, high := min(last.Time, r.Time), max(last.Time, r.Time); last.Stream == r.Stream && c.windows.Whole(low, high) {
			last.Lines, last.Bytes = last.Lines+r.Lines, last.Bytes+r.Bytes
			return
		}
	}
	c.runs = append(c.runs, r)
}

func (c *count) lines(ctx context.Context) error {
	l := c.log
	switch {
	case l.open:
		return c.read(ctx, &span{from: c.windows.From(), to: c.windows.To()})
	case l.lines == 0:
		return nil
	case c.windows.Whole(l.first, l.last):
		c.whole(l.first, l.lines, l.bytes)
		return nil
	}
	frames, err := c.shelf.frames(ctx, l)
	if err != nil {
		return err
	}
	if frames == nil { // they cannot be told
		return c.read(ctx, &span{from: c.windows.From(), to: c.windows.To()})
	}
	return c.frames(ctx, frames)
}

// frames counts frames, and reads those that lie over an edge; neighbours together.
func (c *count) frames(ctx context.Context, frames []format.IndexFrame) error {
	for i := 0; i < len(frames); i++ {
		f := &frames[i]
		switch {
		case f.Lines == 0 || f.High < c.windows.From() || f.Low >= c.windows.To():
			continue
		case c.windows.Whole(f.Low, f.High):
			c.whole(f.Low, f.Lines, f.RawSize)
			continue
		}
		q := &span{firstLine: f.FirstLine + 1, toLine: f.FirstLine + f.Lines}
		for i+1 < len(frames) && frames[i+1].Lines > 0 && !c.windows.Whole(frames[i+1].Low, frames[i+1].High) {
			i++
			q.toLine += frames[i].Lines
		}
		if err := c.read(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// whole takes in lines that all lie in the same windows. Each line but one that was cut has its newline in the bytes.
func (c *count) whole(at, lines, bytes int64) {
	c.add(logql.Run{Stream: c.log.stream, Time: at, Lines: lines, Bytes: bytes - lines})
}

// read counts line by line. What cannot be read is counted as the entry that tells of it.
func (c *count) read(ctx context.Context, q *span) error {
	q.damaged = func(d note) {
		c.add(logql.Run{Stream: c.log.damageStream(), Time: max(d.at, c.windows.From()), Lines: 1, Bytes: int64(len(d.text))})
	}
	return c.shelf.lines(ctx, c.log, q, func(x *line) bool {
		c.add(logql.Run{Stream: c.log.stream, Time: x.at, Lines: 1, Bytes: int64(len(x.text))})
		return true
	})
}
