package find_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
)

// shelfOfDays keeps finished Jobs over many days before the fixture's, of two namespaces, and gives their names in the
// order of a list. jobs says how many of the first namespace there are so many days back.
func shelfOfDays(t *testing.T, days int, jobs func(back int) int) (s *archivetest.Shelf, names []string) {
	s = archivetest.NewShelf(t)
	for back := range days {
		created := archivetest.AtSecond(0).AddDate(0, 0, -back)
		for n := range jobs(back) {
			name := fmt.Sprintf("day-%03d-%04d", back, n)
			names = append(names, name)
			s.PutJob(archive.PodRef{Namespace: "ns", Job: name, JobUID: "uid"}, created)
		}
		s.PutJob(archive.PodRef{Namespace: "ns-2", Job: fmt.Sprintf("other-%03d", back), JobUID: "uid"}, created)
	}
	return s, names
}

// TestListOfManyDays: each Job once and in order, over days with none, with few and with more than one listing gives,
// also page by page; and a list over months of quiet days does not cost a listing for each.
func TestListOfManyDays(t *testing.T) {
	sparse := func(back int) int { return max(0, back%7-3) }
	for _, test := range []struct {
		name  string
		days  int
		jobs  func(back int) int
		lists int // at most
	}{
		{"quiet days", 120, sparse, 9},
		{"a day with many", 60, func(back int) int {
			if back == 20 {
				return 1100
			}
			return sparse(back)
		}, 20},
		{"many every day", 4, func(int) int { return 600 }, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, want := shelfOfDays(t, test.days, test.jobs)
			q := archive.JobQuery{Namespace: "ns"}
			var got []string
			_, lists := s.Requests(func() { got = s.ListedNames(s.Reader, q) })
			if !slices.Equal(got, want) {
				t.Errorf("got %d Jobs %.200q, want %d %.200q", len(got), got, len(want), want)
			}
			if lists > test.lists {
				t.Errorf("a list over %d days costs %d LISTs, want %d at most", test.days, lists, test.lists)
			}
			t.Logf("%d Jobs of %d days: %d LISTs", len(got), test.days, lists)
			got, q.Until = nil, archivetest.AtSecond(0)
			for {
				page, cursor := jobPage(t, s.Reader, q, 97)
				for _, name := range page {
					got = append(got, strings.TrimSuffix(name, "(finished)"))
				}
				if q.After = cursor; cursor == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages: got %d Jobs %.200q, want %d %.200q", len(got), got, len(want), want)
			}
			if all := s.ListedNames(s.Reader, archive.JobQuery{}); len(all) != len(want)+test.days {
				t.Errorf("got %d Jobs of all namespaces, want %d", len(all), len(want)+test.days)
			}
			since := archive.JobQuery{Namespace: "ns", Since: archivetest.AtSecond(0).AddDate(0, 0, -2)}
			if got := s.ListedNames(s.Reader, since); !slices.Equal(got, want[:len(got)]) || len(got) != test.jobs(0)+test.jobs(1)+test.jobs(2) {
				t.Errorf("got %q of three days, want the first of %.200q", got, want)
			}
		})
	}
}

// TestListFromTheFarFuture: a place that is made by hand costs no more than one that a list gave, and whoever leaves
// ends his list.
func TestListFromTheFarFuture(t *testing.T) {
	s, want := shelfOfDays(t, 3, func(int) int { return 2 })
	for n := range 20 {
		s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: fmt.Sprintf("open-%d", n), Pod: fmt.Sprintf("open-%d-x", n), Container: "main", Kind: archive.KindMain, At: n, Open: true})
	}
	began := time.Now()
	var got []string
	for job, err := range s.Reader.Jobs(t.Context(), archive.JobQuery{Namespace: "ns", After: "day/9999-12-31/x"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !job.Open {
			got = append(got, job.Job)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if took := time.Since(began); took > 10*time.Second { // millions of days took minutes
		t.Errorf("took %v", took)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	days := 0
	for _, err := range s.Reader.Jobs(left, archive.JobQuery{Since: archivetest.AtSecond(0).AddDate(-50, 0, 0)}) {
		if days++; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v for who has left, want his context's end", err)
		}
	}
	if days != 1 {
		t.Errorf("got %d entries, want the error", days)
	}
}
