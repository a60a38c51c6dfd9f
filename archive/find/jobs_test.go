package find_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/read"
)

func TestJobs(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	s.Keep("next day", archivetest.KeptInstance{Job: "late", Pod: "late-e5", Container: "main", Kind: archive.KindMain, At: 90_000})
	s.Keep("next day", archivetest.KeptInstance{Job: "later", Pod: "later-f6", Container: "main", Kind: archive.KindMain, At: 90_100, Open: true})
	d := &archive.JobDocument{Namespace: "ns", Job: archive.JobSummary{Name: "build", UID: "build-uid", Succeeded: 1}, Workloads: []string{archivetest.Workload}}
	if _, err := s.Sealer.Job(t.Context(), archive.PodRef{Namespace: "ns", Job: "build", JobUID: "build-uid"}, d); err != nil {
		t.Fatal(err)
	}
	if err := s.Journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	day := archivetest.AtSecond(0).Truncate(24 * time.Hour)
	for _, test := range []struct {
		name  string
		query archive.JobQuery
		want  string
	}{
		{"all", archive.JobQuery{Until: archivetest.AtSecond(90_000)}, "late later(open) build(finished) run-2 run(open) stuck"},
		{"a namespace", archive.JobQuery{Until: archivetest.AtSecond(90_000), Namespace: "ns"}, "late later(open) build(finished) run-2 run(open) stuck"},
		{"another namespace", archive.JobQuery{Until: archivetest.AtSecond(90_000), Namespace: "n"}, ""},
		{"since", archive.JobQuery{Since: day.AddDate(0, 0, 1), Until: archivetest.AtSecond(90_000)}, "late later(open)"},
		{"until", archive.JobQuery{Until: day}, "build(finished) run-2 run(open) stuck"},
		{"before all", archive.JobQuery{Until: day.AddDate(0, 0, -1)}, ""},
		{"workload", archive.JobQuery{Workload: archivetest.Workload}, "build(finished) run(open)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := jobs(t, s.Reader, test.query, 100); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if got := jobs(t, s.Remote(), test.query, 100); got != test.want {
				t.Errorf("elsewhere: %q, want %q", got, test.want)
			}
			// Page by page it is the same.
			var pages []string
			q := test.query
			for {
				page, cursor := jobPage(t, s.Reader, q, 2)
				pages = append(pages, page...)
				if q.After = cursor; cursor == "" {
					break
				}
			}
			if got := strings.Join(pages, " "); got != test.want {
				t.Errorf("in pages: %q, want %q", got, test.want)
			}
		})
	}
}

func jobs(t *testing.T, r *read.Reader, q archive.JobQuery, most int) string {
	t.Helper()
	names, _ := jobPage(t, r, q, most)
	return strings.Join(names, " ")
}

// jobPage returns some Jobs, and the cursor of the last one where there may be more.
func jobPage(t *testing.T, r *read.Reader, q archive.JobQuery, most int) (names []string, cursor string) {
	t.Helper()
	for job, err := range r.Jobs(t.Context(), q) {
		if err != nil {
			t.Fatalf("Jobs(%+v): %v", q, err)
		}
		name := job.Job
		if job.Open {
			name += "(open)"
		}
		if job.Finished {
			name += "(finished)"
		}
		if job.Document.Job.Name != job.Job || len(job.Document.Pods) == 0 {
			t.Errorf("document of %s: %+v", job.Job, job.Document)
		}
		if names = append(names, name); len(names) == most {
			return names, job.Cursor
		}
	}
	return names, ""
}

func TestJob(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	job, err := s.Reader.Job(t.Context(), "ns", "run", "")
	if err != nil {
		t.Fatal(err)
	}
	var pods []string
	for _, p := range job.Document.Pods {
		pods = append(pods, fmt.Sprint(p.Name, p.Verdicts))
	}
	want := []string{"run-a1[complete complete complete complete]", "run-b2[complete ]"}
	if !job.Open || job.Finished || !slices.Equal(pods, want) || !slices.Equal(job.Document.Workloads, []string{archivetest.Workload}) {
		t.Errorf("Job run: %+v, pods %q, want it open with %q", job, pods, want)
	}
	if _, err := s.Reader.Job(t.Context(), "ns", "none", ""); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Job none: %v, want ErrNotFound", err)
	}
	m, sealed, err := s.Reader.Manifest(t.Context(), archive.PodRef{Namespace: "ns", Pod: "run-b2"})
	if err != nil || sealed || len(m.Instances) != 2 {
		t.Errorf("Manifest of an open pod: %+v, %v, %v, want its draft", m, sealed, err)
	}
	m, sealed, err = s.Reader.Manifest(t.Context(), archive.PodRef{Namespace: "ns", Pod: "run-a1"})
	if err != nil || !sealed || len(m.Instances) != 4 {
		t.Errorf("Manifest of a sealed pod: %+v, %v, %v, want its manifest", m, sealed, err)
	}
}
