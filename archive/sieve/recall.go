package sieve

import (
	"context"

	"github.com/epilogue-dev/epilogue/archive"
)

// recallPending finds how many lines after a match are due where a log is gone on with, so that an answer which was
// broken off between them has the rest of them. It looks back over as many lines as may stand after a match, section
// by section.
func (p *pick) recallPending(ctx context.Context) error {
	if err := p.turn.take(ctx); err != nil {
		return err
	}
	defer p.turn.back()
	back := p.upTo(p.Seen)
	var picked []bool // the lines before the place, oldest first: whether they match
	numbers := back.wanted(p.sections)
	for n := len(numbers) - 1; n >= 0 && len(picked) < p.grep.After; n-- {
		section := *back
		section.Seen, section.raw, section.atKnown = p.sections[numbers[n]].FirstLine, -1, false
		var some []bool
		one := &pick{&section, p.holding, p.sections}
		err := one.pass(ctx, numbers[n:n+1], func(e archive.Entry, err error) bool {
			if err == nil {
				some = append(some, p.grep.Picks(e.Text))
			}
			return p.turn.matched(ctx, len(e.Text)) == nil
		})
		if err != nil {
			return err
		}
		picked = append(some, picked...)
	}
	p.recall, p.pending = false, pendingAfter(picked, p.grep.After)
	return nil
}

// pendingAfter returns how many lines are due behind some lines, where so many are given after each one that matches.
func pendingAfter(picked []bool, most int) (pending int) {
	for _, match := range picked {
		if pending--; match {
			pending = most
		}
	}
	return max(0, pending)
}

// upTo returns a sieve of the log's lines up to a number that lets through all that Grep is asked of.
func (s *Sieve) upTo(lines int64) *Sieve {
	q := *s.Query
	q.After, q.Tail, q.Grep = nil, nil, nil
	if q.LastLine == 0 || q.LastLine > lines {
		q.LastLine = lines
	}
	return &Sieve{Query: &q, since: s.since, until: s.until, Instance: s.Instance, budget: &Budget{}, atKnown: true}
}
