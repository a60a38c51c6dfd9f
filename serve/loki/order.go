package loki

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// Entries in order are gathered window by window: of each one all that the logs have in it is read, and of that what
// lies nearest to where the answer begins is kept. What a page gives does not depend on where the page before ended, so
// that pages fit together.
//
// Loki's clients go from page to page by the time of the last entry alone, and take two entries of one time and text
// for one. So entries of equal times are shown one nanosecond apart, in their order: each has the time of the one
// before it and one more, where its own is not later. An entry is never shown more than slack later than it is, so that
// no more than that has to be read before a page to know how its entries are shown.
const slack = 100 * time.Microsecond

const (
	leastPage = 256
	mostPage  = 16 << 10
	// pageBytes is what a page holds of text at most, unless a single nanosecond has more.
	pageBytes = 4 << 20
	// hardPage bounds the entries that stand within slack of each other.
	hardPage = 1 << 18
)

// inOrder gives all entries by their times, forward or backward.
func (g *gathering) inOrder(ctx context.Context, yield func(logql.Entry, error) bool) {
	from, to := g.bounds()
	back := g.ask.Direction == logql.Backward
	most := min(max(g.ask.Limit+1, leastPage), mostPage)
	lines := float64(4 * most)
	if g.ask.Filter.Searches() {
		lines *= 16 // of which few pass
	}
	for ; from < to; lines *= 8 {
		low, high := from, to
		if edge := g.window(from, to, lines, back); back {
			low = edge
		} else {
			high = edge
		}
		p, err := g.page(ctx, low, high, most, back)
		if err != nil {
			yield(logql.Entry{}, err)
			return
		}
		if p == nil || !g.give(p, yield) {
			return
		}
		if back {
			to = p.from
		} else {
			from = p.to
		}
		most = min(2*most, mostPage)
	}
}

// page is what lies between two times as shown, in order.
type page struct {
	from, to int64
	back     bool
	entries  []entry
}

// page gathers what is shown in a window. Where that is more than fits it is the part that comes first.
func (g *gathering) page(ctx context.Context, from, to int64, most int, back bool) (*page, error) {
	for ; ; most *= 4 {
		if most > hardPage {
			return nil, &logql.CeilingError{What: "entries within " + slack.String(), Most: hardPage}
		}
		c := &crop{most: most, bytes: pageBytes * max(1, most/mostPage), back: back}
		if err := g.fill(ctx, c, from, to); err != nil {
			return nil, err
		}
		c.cut()
		setViews(c.entries)
		p := &page{from: from, to: to, back: back, entries: c.entries}
		switch {
		case !c.cropped:
		case back: // of the oldest ones it is not known how they are shown: what is before them was dropped
			edge := c.entries[0].at + int64(slack)
			p.entries = c.entries[c.after(edge):]
			if len(p.entries) > 0 {
				p.from = p.entries[0].view
			}
		default:
			p.to = c.entries[len(c.entries)-1].view + 1
		}
		p.entries = slices.DeleteFunc(p.entries, func(e entry) bool { return e.view < p.from || e.view >= p.to })
		if !c.cropped || p.from < p.to && len(p.entries) > 0 {
			return p, nil
		}
	}
}

// fill takes in all logs of a window, those first that lie nearest to where the page begins.
func (g *gathering) fill(ctx context.Context, c *crop, from, to int64) error {
	order := make([]int, 0, len(g.logs))
	for n := range g.logs {
		if l := &g.logs[n]; l.from < to && l.to >= from-int64(slack) {
			order = append(order, n)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if c.back {
			return cmp.Compare(g.logs[b].to, g.logs[a].to)
		}
		return cmp.Compare(g.logs[a].from, g.logs[b].from)
	})
	for _, n := range order {
		low, high := from-int64(slack), to
		if edge, full := c.edge(); full && c.back {
			low = max(low, edge)
		} else if full {
			high = min(high, edge+1)
		}
		if low >= high || g.logs[n].to < low || g.logs[n].from >= high {
			continue
		}
		if err := g.scan(ctx, n, low, high, func(e *entry) bool {
			c.add(e)
			return ctx.Err() == nil
		}); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// give gives a page in the direction of the answer.
func (g *gathering) give(p *page, yield func(logql.Entry, error) bool) bool {
	for i := range p.entries {
		if p.back {
			i = len(p.entries) - 1 - i
		}
		if !yield(g.form.entry(&p.entries[i]), nil) {
			return false
		}
	}
	return true
}

// crop keeps so many entries, or so many bytes of them, as lie nearest to one end.
type crop struct {
	most, bytes int
	back        bool // the latest are kept
	entries     []entry
	held        int
	cropped     bool  // something was dropped
	limit       int64 // where cropped: no entry beyond this time would be kept
}

func (c *crop) add(e *entry) {
	own := *e
	own.text = bytes.Clone(e.text)
	c.entries = append(c.entries, own)
	if c.held += entryBytes + len(own.text); len(c.entries) > 2*c.most || c.held > 2*c.bytes {
		c.cut()
	}
}

const entryBytes = 96

// cut sorts the entries and drops those for which there is no room.
func (c *crop) cut() {
	slices.SortFunc(c.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.log, b.log), cmp.Compare(a.number, b.number))
	})
	n := 0
	for c.held = 0; n < len(c.entries) && n < c.most; n++ {
		e := &c.entries[n]
		if c.back {
			e = &c.entries[len(c.entries)-1-n]
		}
		if c.held += entryBytes + len(e.text); c.held > c.bytes && n > leastPage {
			break
		}
	}
	if n == len(c.entries) {
		return
	}
	c.cropped = true
	if c.back {
		c.entries = slices.Delete(c.entries, 0, len(c.entries)-n)
		c.limit = c.entries[0].at
	} else {
		c.entries = slices.Delete(c.entries, n, len(c.entries))
		c.limit = c.entries[n-1].at
	}
}

// edge is the time beyond which no entry would be kept; full says that there is such a time.
func (c *crop) edge() (at int64, full bool) { return c.limit, c.cropped }

// after gives how many entries are not later than a time.
func (c *crop) after(at int64) int {
	n, _ := slices.BinarySearchFunc(c.entries, at, func(e entry, at int64) int {
		if e.at <= at {
			return -1
		}
		return 1
	})
	return n
}

// setViews sets the times by which entries in order are shown.
func setViews(entries []entry) {
	for i := range entries {
		e := &entries[i]
		e.view = e.at
		if i > 0 && entries[i-1].view >= e.at {
			e.view = min(entries[i-1].view+1, e.at+int64(slack))
		}
	}
}
