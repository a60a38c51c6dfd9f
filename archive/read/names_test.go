package read_test

import (
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestNames: they are those of Jobs, with what is open first, and none of them is read.
func TestNames(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	s.Keep("next day", archivetest.KeptInstance{Job: "late", Pod: "late-e5", Container: "main", Kind: archive.KindMain, At: 90_000})
	s.Keep("next day", archivetest.KeptInstance{Job: "later", Pod: "later-f6", Container: "main", Kind: archive.KindMain, At: 90_100, Open: true})
	day := archivetest.AtSecond(0).Truncate(24 * time.Hour)
	for _, test := range []struct {
		name  string
		query archive.JobQuery
		want  string
	}{
		{"all", archive.JobQuery{Until: archivetest.AtSecond(90_000)}, "later(open) run(open) build run-2 stuck late"},
		{"a namespace", archive.JobQuery{Until: archivetest.AtSecond(90_000), Namespace: "ns"}, "later(open) run(open) build run-2 stuck late"},
		{"another namespace", archive.JobQuery{Until: archivetest.AtSecond(90_000), Namespace: "n"}, ""},
		{"since", archive.JobQuery{Since: day.AddDate(0, 0, 1), Until: archivetest.AtSecond(90_000)}, "later(open) run(open) late"},
		{"until", archive.JobQuery{Until: day}, "later(open) run(open) build run-2 stuck"},
	} {
		t.Run(test.name, func(t *testing.T) {
			gets := s.Faulty.Count(storetest.OpGet).Requests
			var names []string
			for n, err := range s.Reader.Names(t.Context(), test.query) {
				if err != nil {
					t.Fatal(err)
				}
				name := n.Job
				if n.Open {
					name += "(open)"
				}
				names = append(names, name)
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if got := s.Faulty.Count(storetest.OpGet).Requests; got != gets {
				t.Errorf("%d objects were read, want none", got-gets)
			}
		})
	}
	for n, err := range s.Reader.Names(t.Context(), archive.JobQuery{Until: archivetest.AtSecond(90_000)}) {
		if err != nil {
			t.Fatal(err)
		}
		job, err := s.Reader.Named(t.Context(), n)
		if err != nil || job == nil || job.Open != n.Open || job.Document.Job.Name != n.Job {
			t.Errorf("%s: got %+v, %v", n.Name, job, err)
		}
	}
}

// TestReadKept: what a manifest names is read by it, and nothing is listed.
func TestReadKept(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	ref := archive.PodRef{}
	for job, err := range s.Reader.Jobs(t.Context(), archive.JobQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !job.Open && job.Job == "build" {
			ref = archive.PodRef{Namespace: "ns", Job: job.Job, JobUID: job.JobUID, Pod: job.Document.Pods[0].Name, PodUID: job.Document.Pods[0].UID}
		}
	}
	m, sealed, err := s.Reader.Manifest(t.Context(), ref)
	if err != nil || !sealed {
		t.Fatal(err, sealed)
	}
	q := archive.Query{Target: archive.Target{Namespace: ref.Namespace, Pod: ref.Pod, PodUID: ref.PodUID}}
	want, err := s.Reader.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	lists := s.Faulty.Count(storetest.OpList).Requests
	got, err := s.Reader.ReadKept(t.Context(), m, archive.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if g, w := textOf(t, got), textOf(t, want); g != w || g == "" {
		t.Errorf("got %q, want %q", g, w)
	}
	if n := s.Faulty.Count(storetest.OpList).Requests; n != lists {
		t.Errorf("%d lists, want none", n-lists)
	}
}

func textOf(t *testing.T, a *archive.Answer) (all string) {
	t.Helper()
	for e, err := range a.Entries {
		if err != nil {
			t.Fatal(err)
		}
		all += string(e.Text) + "\n"
	}
	return all
}
