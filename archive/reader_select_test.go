package archive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// kept is one instance of a fixture: whose it is, when it started and what it wrote.
type kept struct {
	job, pod  string
	container string
	kind      archive.ContainerKind
	restart   int
	at        int // seconds
	open      bool
	verdict   archive.Verdict // with a reason where nothing is kept
}

func (k kept) instance() archive.Instance {
	return archive.Instance{
		PodRef:    archive.PodRef{Namespace: "ns", Job: k.job, JobUID: archive.JobUID(k.job + "-uid"), Pod: k.pod, PodUID: archive.PodUID(k.pod + "-uid")},
		Container: k.container, Kind: k.kind, Restart: k.restart, ContainerID: fmt.Sprintf("containerd://%s-%d", k.container, k.restart),
	}
}

func (k kept) text() string { return fmt.Sprintf("%s/%s[%d]", k.pod, k.container, k.restart) }

func second(n int) time.Time { return time.Unix(0, start).UTC().Add(time.Duration(n) * time.Second) }

// keep has a shelf keep the instances: each wrote one line, its own name.
func (s *shelf) keep(workload string, instances ...kept) {
	s.t.Helper()
	pods := map[string][]kept{}
	var names []string
	for _, k := range instances {
		if pods[k.pod] == nil {
			names = append(names, k.pod)
		}
		pods[k.pod] = append(pods[k.pod], k)
	}
	for _, name := range names {
		s.keepPod(workload, pods[name])
	}
}

func (s *shelf) keepPod(workload string, instances []kept) {
	s.t.Helper()
	ref := instances[0].instance().PodRef
	m := &archive.Manifest{
		Pod:       archive.PodSummary{PodRef: ref, Phase: "Running", CreatedAt: second(instances[0].at)},
		Job:       &archive.JobSummary{Name: ref.Job, UID: ref.JobUID, CreatedAt: second(instances[0].at / 100 * 100)},
		Workloads: []string{workload},
	}
	open := false
	for _, k := range instances {
		record := archive.InstanceRecord{Instance: k.instance(), Verdict: k.verdict}
		if k.verdict == "" {
			log := openLog(s.t, s.spool, k.instance())
			if _, err := log.Append(archive.Line{Time: second(k.at).UnixNano(), Text: []byte(k.text())}); err != nil {
				s.t.Fatal(err)
			}
			if open = open || k.open; !k.open {
				var err error
				if record, err = s.sealer.Log(s.t.Context(), log); err != nil {
					s.t.Fatal(err)
				}
			}
			record.State.StartedAt = second(k.at)
		} else {
			record.Reason = "because"
		}
		m.Instances = append(m.Instances, record)
	}
	if open {
		if err := s.spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	if err := s.sealer.Pod(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

const otherWorkload = "99999999-2222-3333-4444-555555555555"

// shelfOfJobs: a workload of two Jobs, the first with two attempts, and another one.
func shelfOfJobs(t *testing.T) *shelf {
	s := newShelf(t)
	s.keep(workload,
		kept{job: "build", pod: "build-x1", container: "main", kind: archive.KindMain, at: 10},
		kept{job: "run", pod: "run-a1", container: "init", kind: archive.KindInit, at: 110},
		kept{job: "run", pod: "run-a1", container: "main", kind: archive.KindMain, at: 120},
		kept{job: "run", pod: "run-a1", container: "main", kind: archive.KindMain, restart: 1, at: 130},
		kept{job: "run", pod: "run-a1", container: "side", kind: archive.KindSidecar, at: 115},
		kept{job: "run", pod: "run-b2", container: "init", kind: archive.KindInit, at: 160},
		kept{job: "run", pod: "run-b2", container: "main", kind: archive.KindMain, at: 170, open: true},
	)
	s.keep(otherWorkload,
		kept{job: "run-2", pod: "run-2-0-c3", container: "main", kind: archive.KindMain, at: 300},
		kept{job: "stuck", pod: "stuck-d4", container: "main", kind: archive.KindMain, at: 400, verdict: archive.NeverStarted},
	)
	return s
}

func TestReadSelects(t *testing.T) {
	s := shelfOfJobs(t)
	if err := s.journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := archive.Target{Namespace: "ns", Job: "run"}
	run := []string{"run-a1/init[0]", "run-a1/side[0]", "run-a1/main[0]", "run-a1/main[1]", "run-b2/init[0]", "run-b2/main[0]"}
	for _, test := range []struct {
		name  string
		query archive.Query
		want  []string
	}{
		{"workload", archive.Query{Target: archive.Target{Workload: workload}}, append([]string{"build-x1/main[0]"}, run...)},
		{"workload in its namespace", archive.Query{Target: archive.Target{Namespace: "ns", Workload: workload}}, append([]string{"build-x1/main[0]"}, run...)},
		{"workload in another namespace", archive.Query{Target: archive.Target{Namespace: "else", Workload: workload}}, nil},
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
		{"last attempt of each Job", archive.Query{Target: archive.Target{Workload: workload}, Attempt: -1}, append([]string{"build-x1/main[0]"}, run[4:]...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]*archive.Reader{"here": s.reader, "elsewhere": s.remote()} {
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

func texts(t *testing.T, r *archive.Reader, q archive.Query) ([]string, error) {
	a, err := r.Read(t.Context(), q)
	if err != nil {
		return nil, err
	}
	got := []string{}
	for _, e := range allOf(t, a) {
		got = append(got, string(e.Text))
		i := e.Instance
		if want := fmt.Sprintf("%s/%s[%d]", i.Pod, i.Container, i.Restart); want != string(e.Text) {
			t.Errorf("entry of %s is %q", want, e.Text)
		}
	}
	return got, nil
}

func TestReadSources(t *testing.T) {
	s := shelfOfJobs(t)
	if err := s.journal().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		reader *archive.Reader
		target archive.Target
		want   archive.Source
	}{
		{"sealed", s.reader, archive.Target{Namespace: "ns", Job: "build"}, archive.FromArchive},
		{"sealed and open", s.reader, archive.Target{Namespace: "ns", Job: "run"}, archive.FromMixed},
		{"sealed and in a journal", s.remote(), archive.Target{Namespace: "ns", Job: "run"}, archive.FromMixed},
		{"never started", s.reader, archive.Target{Namespace: "ns", Job: "stuck"}, ""},
	} {
		a, _ := read(t, test.reader, archive.Query{Target: test.target})
		if a.Source != test.want {
			t.Errorf("%s: source %q, want %q", test.name, a.Source, test.want)
		}
	}
	a, entries := read(t, s.reader, archive.Query{Target: archive.Target{Namespace: "ns", Job: "stuck"}})
	if len(entries) != 0 || len(a.Logs) != 1 || a.Logs[0].Verdict != archive.NeverStarted || a.Logs[0].Reason != "because" {
		t.Errorf("never started: %d entries, logs %+v, want none and the verdict with its reason", len(entries), a.Logs)
	}
	a, _ = read(t, s.remote(), archive.Query{Target: archive.Target{Namespace: "ns", Pod: "run-b2"}, Containers: []string{"main"}})
	if len(a.Logs) != 1 || a.Logs[0].Replica != "replica-0" || a.Logs[0].Source != archive.FromJournal {
		t.Errorf("log in a journal: %+v, want replica-0 named", a.Logs)
	}
}

// TestFollowTakesUpWhatComes: a follower of a Job goes on with the next pod, and ends when it is told that no more will come.
func TestFollowTakesUpWhatComes(t *testing.T) {
	s := newShelf(t)
	s.keep(workload, kept{job: "run", pod: "run-a1", container: "main", kind: archive.KindMain, at: 10, open: true})
	noMore := make(chan struct{})
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	q := archive.Query{Target: archive.Target{Workload: workload}, NoMore: noMore}
	got := make(chan string)
	f := follow(ctx, t, s.reader, q, func() { got <- "a line" })
	<-got
	s.keep(workload, kept{job: "run", pod: "run-b2", container: "main", kind: archive.KindMain, at: 20, open: true})
	<-got
	s.keep(workload, kept{job: "run", pod: "run-a1", container: "main", kind: archive.KindMain, at: 30})
	<-got // the line that is written when it is sealed
	s.keep(workload, kept{job: "run", pod: "run-b2", container: "main", kind: archive.KindMain, at: 40})
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
	s := newShelf(t)
	lines := []archive.Line{}
	for n, text := range []string{"error 12", "Error", "an erro", "x=4 y=5", "ab", "ac", "é", "tail\xff", ""} {
		lines = append(lines, archive.Line{Time: start + int64(n), Text: []byte(text)})
	}
	log := openLog(t, s.spool, instance("main"))
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
		q := archive.Query{Target: wholeJob, Grep: &archive.Grep{Pattern: pattern}}
		_, got := read(t, s.reader, q)
		if diff := different(got, oracle(lines, instance("main"), q)); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
}

// TestResumeAtALineWithoutTime: such a line counts as the one before it, also where that was had by an earlier answer.
func TestResumeAtALineWithoutTime(t *testing.T) {
	s := newShelf(t)
	lines := numbered(6)
	lines[4].Time, lines[5].Time = 0, 0
	log := openLog(t, s.spool, instance("main"))
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
		q := archive.Query{Target: wholeJob, Since: time.Unix(0, since), After: map[archive.LogID]int64{id("main"): 4}}
		_, got := read(t, s.reader, q)
		if diff := different(got, oracle(lines, instance("main"), q)); diff != "" {
			t.Errorf("since %d: %s", since, diff)
		}
	}
}
