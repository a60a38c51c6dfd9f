package watchtest

import (
	"cmp"
	"fmt"
	"testing"
	"testing/synctest"
)

// Model says which schedules of a model are played.
type Model struct {
	Count  uint64 // so many, unless the environment says otherwise
	Every  uint64 // of those only each so many-th; 0: all
	Pinned []Pin  // and these, wherever they lie
}

// Pin is a schedule that once failed, with what it showed.
type Pin struct {
	Seed  uint64
	Shows string
}

// Play plays a model's schedules, each in a bubble of its own and beside the others. Where the environment asks for
// one seed it is the only one.
func Play(t *testing.T, m Model, play func(*testing.T, uint64)) {
	run := func(name string, seed uint64) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { play(t, seed) })
		})
	}
	every := cmp.Or(m.Every, 1)
	first, last := Seeds(t, m.Count)
	for seed := first; seed <= last; seed++ {
		if seed%every == 0 || first == last {
			run(fmt.Sprintf("seed=%d", seed), seed)
		}
	}
	for _, p := range m.Pinned {
		played := first <= p.Seed && p.Seed <= last && p.Seed%every == 0
		if first != last && !played { // else that one was asked for
			run(fmt.Sprintf("seed=%d: %s", p.Seed, p.Shows), p.Seed)
		}
	}
}
