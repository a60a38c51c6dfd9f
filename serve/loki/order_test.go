package loki

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// shown is a line as it is shown: at a time, with its text.
type shown struct {
	at   int64
	text string
}

// pages reads a query page by page as logcli does: the next one begins, or backward ends, at the time of the last line,
// and what overlaps is known by time and text alone.
func (b *bench) pages(t *testing.T, query, direction string, limit int) (all []shown) {
	t.Helper()
	from, to := at(-time.Hour), at(time.Hour)
	seen := map[shown]bool{}
	for page := 0; ; page++ {
		got := answered[data[result]](t, b.ask("query_range", "query", query, "direction", direction, "limit", fmt.Sprint(limit),
			"start", fmt.Sprint(from), "end", fmt.Sprint(to)))
		var lines []shown
		for _, s := range got.Data.Result {
			for _, v := range s.Values {
				lines = append(lines, shown{must(strconv.ParseInt(v[0].(string), 10, 64)), v[1].(string)})
			}
		}
		slices.SortStableFunc(lines, func(a, b shown) int { return int(a.at - b.at) })
		if direction == "backward" {
			slices.Reverse(lines)
		}
		fresh := 0
		for _, l := range lines {
			if !seen[l] {
				seen[l] = true
				all = append(all, l)
				fresh++
			}
		}
		if fresh == 0 || page > 1000 {
			return all
		}
		if last := lines[len(lines)-1].at; direction == "forward" {
			from = last
		} else {
			to = last + 1
		}
	}
}

// TestPagesOfEqualTimes: lines of one nanosecond, equal ones, too, come once each and in their order, page by page,
// forward and backward.
func TestPagesOfEqualTimes(t *testing.T) {
	b := newBench(t)
	const n = 5000
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("line %d", i/2)) // two of each
	}
	b.writeAt(usualPod, at(0), want...)
	b.writeAt(usualPod, at(1), "behind")
	want = append(want, "behind")
	b.seal(usualPod)
	for _, direction := range []string{"forward", "backward"} {
		for _, limit := range []int{1000, 4999} {
			got := b.pages(t, `{job="run"}`, direction, limit)
			if direction == "backward" {
				slices.Reverse(got)
			}
			if len(got) != len(want) {
				t.Fatalf("%s by %d: got %d lines, want %d", direction, limit, len(got), len(want))
			}
			for i := range want {
				if got[i].text != want[i] || got[i].at != at(0)+int64(i) {
					t.Fatalf("%s by %d: line %d is %v, want %q at its place", direction, limit, i, got[i], want[i])
				}
			}
		}
	}
}

// TestPagesProperty: whatever the times of the lines are, and however large the pages, each line comes once, at the
// same time each way.
func TestPagesProperty(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t)
		total := 0
		for j := range 1 + r.IntN(6) {
			p := pod("jobs", fmt.Sprintf("job-%d", j), "1")
			when := at(time.Duration(r.IntN(3000)) * time.Millisecond)
			for range r.IntN(100) {
				switch r.IntN(8) {
				case 0:
					when += int64(r.IntN(1e9))
				case 1:
					when += int64(r.IntN(3))
				case 2:
					when -= int64(r.IntN(1000)) // a clock that steps back
				}
				b.writeAt(p, when, []string{"a", "b", "error c"}[r.IntN(3)])
				total++
			}
			if r.IntN(3) > 0 {
				b.seal(p)
			} else {
				b.draft(p)
			}
		}
		for _, query := range []string{`{namespace="jobs"}`, `{namespace="jobs"} |= "error"`} {
			limit := 2 + r.IntN(50)
			forward, backward := b.pages(t, query, "forward", limit), b.pages(t, query, "backward", limit)
			slices.Reverse(backward)
			if !slices.Equal(forward, backward) {
				t.Fatalf("seed %d, %s: %d lines forward and %d backward, or others", seed, query, len(forward), len(backward))
			}
			if query == `{namespace="jobs"}` && len(forward) != total {
				t.Fatalf("seed %d: got %d lines, want %d", seed, len(forward), total)
			}
			times := map[int64]bool{}
			for _, l := range forward {
				if times[l.at] {
					t.Fatalf("seed %d: two lines at %d", seed, l.at)
				}
				times[l.at] = true
			}
		}
	}
}
