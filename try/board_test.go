package try

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// scene is a cluster and an archive of which a board tells.
type scene struct {
	mu      sync.Mutex
	jobs    map[types.UID]*batchv1.Job
	pods    map[types.UID][]*corev1.Pod // by Job
	sealed  map[archive.PodUID]*archive.Manifest
	sealing map[archive.PodUID]chan struct{} // closed with the seal
	lines   map[archive.PodUID][]string
	backlog int
	acts    bool
	board   *board
	out     bytes.Buffer
}

func newScene(cfg Config) *scene {
	s := &scene{
		jobs: map[types.UID]*batchv1.Job{}, pods: map[types.UID][]*corev1.Pod{}, sealed: map[archive.PodUID]*archive.Manifest{},
		sealing: map[archive.PodUID]chan struct{}{}, lines: map[archive.PodUID][]string{},
	}
	cfg.Namespace = "jobs"
	s.board = newBoard(cfg, s, s, NewScreen(&s.out, true, false))
	return s
}

func (s *scene) Standing(job types.UID) watch.Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	standing := watch.Standing{Job: s.jobs[job]}
	for _, p := range s.pods[job] {
		standing.Pods = append(standing.Pods, watch.PodStanding{Pod: p, Sealed: s.sealed[archive.PodUID(p.UID)] != nil})
	}
	return standing
}

func (s *scene) PodsOf(job types.UID) []*corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*corev1.Pod(nil), s.pods[job]...)
}

func (s *scene) Acts() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acts
}

func (s *scene) act() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts = true
}

func (s *scene) Backlog() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backlog, 0
}

func (s *scene) Read(ctx context.Context, q archive.Query) (*archive.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid := q.Target.PodUID
	if s.sealing[uid] == nil {
		return nil, archive.ErrNotFound
	}
	lines, sealed := s.lines[uid], s.sealing[uid]
	return &archive.Answer{Entries: func(yield func(archive.Entry, error) bool) {
		for n, text := range lines {
			e := line(&archive.Instance{PodRef: archive.PodRef{Namespace: "jobs", Pod: q.Target.Pod, PodUID: uid}, Container: "main"}, text)
			if e.Number = int64(n + 1); e.Number > q.After[e.Instance.ID()] && !yield(*e, nil) {
				return
			}
		}
		select {
		case <-sealed:
		case <-ctx.Done():
			yield(archive.Entry{}, ctx.Err())
		}
	}}, nil
}

func (s *scene) Manifest(_ context.Context, pod archive.PodRef) (*archive.Manifest, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.sealed[pod.PodUID]
	return m, m != nil, nil
}

// job makes or changes a Job.
func (s *scene) job(name string, change func(*batchv1.Job)) types.UID {
	uid := types.UID(name + "-uid")
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}, Status: batchv1.JobStatus{Active: 1}}
	change(j)
	s.mu.Lock()
	s.jobs[uid] = j
	s.mu.Unlock()
	s.board.notice(uid)
	return uid
}

func running(*batchv1.Job) {}

func suspended(j *batchv1.Job) { j.Spec.Suspend = new(bool); *j.Spec.Suspend = true }

func failed(j *batchv1.Job) {
	j.Status = batchv1.JobStatus{Conditions: []batchv1.JobCondition{{
		Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded", Message: "too often",
	}}}
}

// pod adds to a Job a pod that runs, and has written lines.
func (s *scene) pod(job types.UID, name string, change func(*corev1.Pod), lines ...string) *corev1.Pod {
	controller := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "jobs", UID: types.UID(name + "-uid"), CreationTimestamp: metav1.Now(),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: strings.TrimSuffix(string(job), "-uid"), UID: job, Controller: &controller}},
	}}
	change(p)
	s.mu.Lock()
	s.pods[job] = append(s.pods[job], p)
	s.lines[archive.PodUID(p.UID)] = lines
	s.sealing[archive.PodUID(p.UID)] = make(chan struct{})
	s.mu.Unlock()
	s.board.notice(job)
	return p
}

func alive(p *corev1.Pod) {
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "main", ContainerID: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}}}
}

func stuck(p *corev1.Pod) {
	p.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image\nat all"}},
	}}}
}

func longOver(p *corev1.Pod) {
	p.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
	p.Status.Phase = corev1.PodSucceeded
}

// seal puts a pod into the archive.
func (s *scene) seal(p *corev1.Pod, records ...archive.InstanceRecord) {
	ref := pods.Ref(p)
	for i := range records {
		records[i].Instance = archive.Instance{PodRef: ref, Container: "main", Restart: i}
	}
	s.mu.Lock()
	s.sealed[ref.PodUID] = &archive.Manifest{Pod: archive.PodSummary{PodRef: ref}, Instances: records, Diagnosis: "it is over"}
	close(s.sealing[ref.PodUID])
	s.mu.Unlock()
	s.board.notice(types.UID(ref.JobUID))
}

func complete(lines int64) archive.InstanceRecord {
	return archive.InstanceRecord{Verdict: archive.Complete, Log: &archive.LogRecord{Key: "v1/log", Lines: lines, Bytes: 10 * lines}}
}

// gone takes a Job out of the cluster, with its pods.
func (s *scene) gone(job types.UID) {
	s.mu.Lock()
	delete(s.jobs, job)
	delete(s.pods, job)
	s.mu.Unlock()
	s.board.notice(job)
}

// screen returns what was shown once nothing more comes of itself.
func (s *scene) screen() string {
	synctest.Wait()
	s.board.screen.mu.Lock()
	defer s.board.screen.mu.Unlock()
	return s.out.String()
}

func TestBoard(t *testing.T) {
	const start = "* job a: running\n* a/main: started in pod a-1\n[a/main] one\n[a/main] two\n"
	for _, test := range []struct {
		name string
		cfg  Config
		play func(s *scene)
		want string
		idle bool // at the end of the play
	}{
		{"a Job that lives", Config{Lines: LinesNew}, func(s *scene) {
			s.pod(s.job("a", running), "a-1", alive, "one", "two")
		}, start, false},
		{"and fails", Config{Lines: LinesNew}, func(s *scene) {
			a := s.job("a", running)
			p := s.pod(a, "a-1", alive, "one", "two")
			s.screen()
			s.seal(p, archive.InstanceRecord{Verdict: archive.Partial, Log: &archive.LogRecord{Lines: 2, Bytes: 8}, Gaps: []archive.Gap{
				{AfterLine: 1, Reason: archive.GapRotated, Detail: "the file went"}, {AfterLine: 2, Reason: archive.GapDeleted, Unproven: true},
			}})
			s.job("a", failed)
			s.board.settle(a)
		}, start + "* a/main: partial, 2 lines, 8 B\n*   lines are missing after line 1: rotated: the file went\n" +
			"*   lines may be missing after line 2: deleted\n* pod a-1: it is over\n* job a: Failed: BackoffLimitExceeded: too often, archived\n", true},
		{"the second pod has a name of its own", Config{Lines: LinesNew}, func(s *scene) {
			a := s.job("a", running)
			s.pod(a, "a-1", alive, "one", "two")
			s.screen()
			s.pod(a, "a-2", alive, "again")
		}, start + "* a-2/main: started in pod a-2\n[a-2/main] again\n", false},
		{"a pod that cannot start", Config{Lines: LinesNew}, func(s *scene) {
			a := s.job("a", running)
			p := s.pod(a, "a-1", stuck)
			s.screen()
			s.board.notice(a) // is told once
			s.screen()
			s.seal(p, archive.InstanceRecord{Verdict: archive.NeverStarted, Reason: "ErrImagePull"})
		}, "* job a: running\n* a-1/main: waits: ErrImagePull: no such image\n* a/main: never-started, ErrImagePull\n* pod a-1: it is over\n", false},
		{"one that had ended", Config{Lines: LinesNew}, func(s *scene) {
			a := s.job("a", failed)
			p := s.pod(a, "a-1", longOver, "one")
			s.screen()
			s.seal(p, complete(1))
			s.board.settle(a)
		}, "* a/main: complete, 1 line, 10 B\n* pod a-1: it is over\n* job a: Failed: BackoffLimitExceeded: too often, archived\n", true},
		{"one that had ended, with all lines", Config{Lines: LinesAll}, func(s *scene) {
			p := s.pod(s.job("a", failed), "a-1", longOver, "one")
			s.screen()
			s.seal(p, complete(1))
		}, "* a/main: started in pod a-1\n[a/main] one\n* a/main: complete, 1 line, 10 B\n* pod a-1: it is over\n", false},
		{"without lines", Config{Lines: LinesNone}, func(s *scene) {
			p := s.pod(s.job("a", running), "a-1", alive, "one", "two")
			s.screen()
			s.seal(p, complete(2))
		}, "* job a: running\n* a/main: started in pod a-1\n* a/main: complete, 2 lines, 20 B\n* pod a-1: it is over\n", false},
		{"rotated", Config{Lines: LinesNone}, func(s *scene) {
			r := complete(2)
			r.Verdict, r.Seams = archive.Seamed, 3
			p := s.pod(s.job("a", running), "a-1", alive, "one", "two")
			s.screen()
			s.seal(p, r)
		}, "* job a: running\n* a/main: started in pod a-1\n* a/main: seamed, 2 lines, 20 B, 3 unproven seams\n* pod a-1: it is over\n", false},
		{"deleted", Config{Lines: LinesNew}, func(s *scene) {
			a := s.job("a", running)
			p := s.pod(a, "a-1", alive, "one", "two")
			s.screen()
			s.gone(a)
			s.screen()
			s.seal(p, complete(2))
		}, start + "* a/main: complete, 2 lines, 20 B\n* pod a-1: it is over\n* job a: gone from the cluster, its logs are kept here\n", true},
		{"suspended", Config{Lines: LinesNew}, func(s *scene) { s.job("a", suspended) }, "* job a: suspended\n", true},
		{"another's Job", Config{Lines: LinesNew, Selector: "app=b"}, func(s *scene) { s.pod("a-uid", "a-1", alive, "one") }, "", true},
		{"pods that outlive their Job", Config{Lines: LinesNew}, func(s *scene) {
			s.pod("a-uid", "a-1", alive, "one")
			s.act() // the cache is filled by now: a board that acts without a pod is idle
		}, "* a/main: started in pod a-1\n[a/main] one\n", false},
		{"pods that come before their Job", Config{Lines: LinesNew}, func(s *scene) {
			s.pod("a-uid", "a-1", alive, "one", "two")
			s.screen()
			s.job("a", running)
		}, start, false},
		{"pods whose Job never comes", Config{Lines: LinesNew}, func(s *scene) {
			s.pod("a-uid", "a-1", alive, "one")
			time.Sleep(2 * beat)
			s.screen()
			s.act()
			time.Sleep(2 * beat)
		}, "* a/main: started in pod a-1\n[a/main] one\n", false},
		{"something left to seal", Config{Lines: LinesNew}, func(s *scene) { s.backlog = 1 }, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.cfg.UntilIdle = true
				s := newScene(test.cfg)
				ctx, cancel := context.WithCancel(t.Context())
				idle, done := false, make(chan struct{})
				go func() {
					defer close(done)
					s.board.run(ctx, func() { idle = true })
				}()
				test.play(s)
				got := s.screen()
				s.act()
				time.Sleep(2 * beat) // when a board looks whether it is idle
				cancel()
				<-done
				if got != test.want || idle != test.idle {
					t.Errorf("got idle %t and\n%swant %t and\n%s", idle, got, test.idle, test.want)
				}
			})
		})
	}
}

// TestEnd: what a trial ends with.
func TestEnd(t *testing.T) {
	b := newScene(Config{Lines: LinesNew}).board
	b.count = counts{jobs: 2, pods: 3}
	b.count.add(&archive.Manifest{Instances: []archive.InstanceRecord{
		{Instance: *instance("nightly-1", "main", 0), Verdict: archive.Complete, Log: &archive.LogRecord{Key: "v1/jobs/nightly/main.0.log.zst"}},
		{Verdict: archive.Lost},
	}})
	b.count.add(&archive.Manifest{Instances: []archive.InstanceRecord{
		{Verdict: archive.Partial, Log: &archive.LogRecord{Key: "other"}}, {Verdict: archive.Seamed, Log: &archive.LogRecord{Key: "other"}},
	}})
	text := strings.Join(b.end(&Folder{Archive: "/tmp/kept"}, func(k archive.Key) string { return "/tmp/kept/" + string(k) }), "\n")
	for _, want := range []string{
		"2 Jobs, 3 pods. Their logs: 1 complete, 1 seamed, 1 partial, 1 lost. Of 1 pod that had not ended all that came is kept, too",
		"    kubectl epilogue list -n jobs --archive file:///tmp/kept\n",
		"    kubectl epilogue logs nightly -n jobs --archive file:///tmp/kept\n",
		"    zstd -dc /tmp/kept/v1/jobs/nightly/main.0.log.zst\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q in it", text, want)
		}
	}
}

// TestFolder: one trial at a time.
func TestFolder(t *testing.T) {
	path := fmt.Sprintf("%s/a/b", t.TempDir())
	first, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(path); err == nil || !strings.Contains(err.Error(), "another epilogue try is at work in it") {
		t.Errorf("got %v for a folder that is taken, want it refused", err)
	}
	first.Close()
	second, err := OpenFolder(path)
	if err != nil {
		t.Fatalf("got %v once it is free", err)
	}
	defer second.Close()
	file, err := second.OpenLog()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := file.Stat(); err != nil || info.Mode().Perm()&fs.FileMode(0o077) != 0 {
		t.Errorf("got %v, %v, want a log for its owner alone", info.Mode(), err)
	}
	file.Close()
}
