package read_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/read"
)

func TestReadSelects(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	if err := s.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := archive.Target{Namespace: "ns", Job: "run"}
	run := []string{"run-a1/init[0]", "run-a1/side[0]", "run-a1/main[0]", "run-a1/main[1]", "run-b2/init[0]", "run-b2/main[0]"}
	for _, test := range []struct {
		name  string
		query archive.Query
		want  []string
	}{
		{"workload", archive.Query{Target: archive.Target{Workload: archivetest.Workload}}, append([]string{"build-x1/main[0]"}, run...)},
		{"workload in its namespace", archive.Query{Target: archive.Target{Namespace: "ns", Workload: archivetest.Workload}}, append([]string{"build-x1/main[0]"}, run...)},
		{"workload in another namespace", archive.Query{Target: archive.Target{Namespace: "else", Workload: archivetest.Workload}}, nil},
		{"Job", archive.Query{Target: job}, run},
		{"Job by UID", archive.Query{Target: archive.Target{Namespace: "ns", Job: "run", JobUID: "run-uid"}}, run},
		{"Job by another UID", archive.Query{Target: archive.Target{Namespace: "ns", Job: "run", JobUID: "else"}}, nil},
		{"pod", archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-a1"}}, run[:4]},
		{"pod that is open", archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-b2"}}, run[4:]},
		{"pod of an indexed Job", archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-2-0-c3"}}, []string{"run-2-0-c3/main[0]"}},
		{"pod by another UID", archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-a1", PodUID: "else"}}, nil},
		{"container", archive.Query{Target: job, Containers: []string{"main"}}, []string{run[2], run[3], run[5]}},
		{"newest", archive.Query{Target: job, Containers: []string{"main"}, Which: archive.Newest}, []string{run[3], run[5]}},
		{"previous", archive.Query{Target: job, Which: archive.Previous}, []string{run[2]}},
		{"restart", archive.Query{Target: job, Restart: new(1)}, []string{run[3]}},
		{"first attempt", archive.Query{Target: job, Attempt: 1}, run[:4]},
		{"last attempt", archive.Query{Target: job, Attempt: -1}, run[4:]},
		{"third attempt", archive.Query{Target: job, Attempt: 3}, []string{}},
		{"last attempt of each Job", archive.Query{Target: archive.Target{Workload: archivetest.Workload}, Attempt: -1}, append([]string{"build-x1/main[0]"}, run[4:]...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]*read.Reader{"here": s.Reader, "elsewhere": s.Remote()} {
				got, err := texts(t, r, test.query)
				if test.want == nil {
					if !errors.Is(err, archive.ErrNotFound) {
						t.Errorf("%s: %q, %v, want ErrNotFound", name, got, err)
					}
				} else if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
				}
			}
		})
	}
}

func texts(t *testing.T, r *read.Reader, q archive.Query) ([]string, error) {
	a, err := r.Read(t.Context(), q)
	if err != nil {
		return nil, err
	}
	got := []string{}
	for _, e := range archivetest.EntriesOf(t, a) {
		got = append(got, string(e.Text))
		i := e.Instance
		if want := fmt.Sprintf("%s/%s[%d]", i.Pod, i.Container, i.Restart); want != string(e.Text) {
			t.Errorf("entry of %s is %q", want, e.Text)
		}
	}
	return got, nil
}

func TestReadSources(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	if err := s.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		reader *read.Reader
		target archive.Target
		want   archive.Source
	}{
		{"sealed", s.Reader, archive.Target{Namespace: "ns", Job: "build"}, archive.FromArchive},
		{"sealed and open", s.Reader, archive.Target{Namespace: "ns", Job: "run"}, archive.FromMixed},
		{"sealed and in a journal", s.Remote(), archive.Target{Namespace: "ns", Job: "run"}, archive.FromMixed},
		{"never started", s.Reader, archive.Target{Namespace: "ns", Job: "stuck"}, ""},
	} {
		a, _ := archivetest.ReadWhole(t, test.reader, archive.Query{Target: test.target})
		if a.Source != test.want {
			t.Errorf("%s: source %q, want %q", test.name, a.Source, test.want)
		}
	}
	a, entries := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: archive.Target{Namespace: "ns", Job: "stuck"}})
	if len(entries) != 0 || len(a.Logs) != 1 || a.Logs[0].Verdict != archive.NeverStarted || a.Logs[0].Reason != "because" {
		t.Errorf("never started: %d entries, logs %+v, want none and the verdict with its reason", len(entries), a.Logs)
	}
	a, _ = archivetest.ReadWhole(t, s.Remote(), archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-b2"}, Containers: []string{"main"}})
	if len(a.Logs) != 1 || a.Logs[0].Replica != "replica-0" || a.Logs[0].Source != archive.FromJournal {
		t.Errorf("log in a journal: %+v, want replica-0 named", a.Logs)
	}
}

// TestFollowTakesUpWhatComes: a follower of a Job goes on with the next pod, and ends when it is told that no more will
// come.
func TestFollowTakesUpWhatComes(t *testing.T) {
	s := archivetest.NewShelf(t)
	s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "run", Pod: "run-a1", Container: "main", Kind: archive.KindMain, At: 10, Open: true})
	noMore := make(chan struct{})
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	q := archive.Query{Target: archive.Target{Workload: archivetest.Workload}, NoMore: noMore}
	got := make(chan string)
	f := follow(ctx, t, s.Reader, q, func() { got <- "a line" })
	<-got
	s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "run", Pod: "run-b2", Container: "main", Kind: archive.KindMain, At: 20, Open: true})
	<-got
	s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "run", Pod: "run-a1", Container: "main", Kind: archive.KindMain, At: 30})
	<-got // the line that is written when it is sealed
	s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "run", Pod: "run-b2", Container: "main", Kind: archive.KindMain, At: 40})
	<-got
	close(noMore)
	<-f.ended
	var texts []string
	for _, e := range f.entries {
		texts = append(texts, string(e.Text))
	}
	want := []string{"run-a1/main[0]", "run-b2/main[0]", "run-a1/main[0]", "run-b2/main[0]"}
	if f.err != nil || !slices.Equal(texts, want) {
		t.Errorf("%q, %v, want %q", texts, f.err, want)
	}
}

// TestNeedle: what a look at a whole frame goes by must be in every line that matches.
func TestNeedle(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := []archive.Line{}
	for n, text := range []string{"error 12", "Error", "an erro", "x=4 y=5", "ab", "ac", "é", "tail\xff", ""} {
		lines = append(lines, archive.Line{Time: archivetest.Start + int64(n), Text: []byte(text)})
	}
	log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
	for _, line := range lines { // a frame for each
		if _, err := log.Append(line); err != nil {
			t.Fatal(err)
		}
		if err := log.CloseFrame(); err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{
		"error", "(?i)error", "erro(r|x)?", "(erro)r", "(err)+or", "(r){2}", "(zz)*a", "a(b|c)", "a[bc]$", "x=[0-9] y=.", "^$", "é", "[é]", "\\xff",
		"(?:ab|ac)", "ab?", "(?i:E)rror", "(?s).b", "l{0,1}", "\\bError\\b", "error|Error", "tail\\x{FFFD}",
	} {
		q := archive.Query{Target: archivetest.WholeJob, Grep: &archive.Grep{Pattern: pattern}}
		_, got := archivetest.ReadWhole(t, s.Reader, q)
		if diff := archivetest.Difference(got, archivetest.Oracle(lines, archivetest.Instance("main"), q)); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
}

// TestResumeAtALineWithoutTime: such a line counts as the one before it, also where that was had by an earlier answer.
func TestResumeAtALineWithoutTime(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := archivetest.LinesTimedByNumber(6)
	lines[4].Time, lines[5].Time = 0, 0
	log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
	if _, err := log.Append(lines[:4]...); err != nil {
		t.Fatal(err)
	}
	if err := log.CloseFrame(); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(lines[4:]...); err != nil {
		t.Fatal(err)
	}
	for _, since := range []int64{lines[3].Time, lines[3].Time + 1} {
		q := archive.Query{Target: archivetest.WholeJob, Since: time.Unix(0, since), After: map[archive.LogID]int64{id("main"): 4}}
		_, got := archivetest.ReadWhole(t, s.Reader, q)
		if diff := archivetest.Difference(got, archivetest.Oracle(lines, archivetest.Instance("main"), q)); diff != "" {
			t.Errorf("since %d: %s", since, diff)
		}
	}
}
