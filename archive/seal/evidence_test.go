package seal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
)

// TestEvidenceOfManyPods: the proof of a Job with many pods gives way to others after a while, and goes on where it
// was.
func TestEvidenceOfManyPods(t *testing.T) {
	for _, test := range []struct {
		pods   int
		delay  time.Duration
		within time.Duration
	}{{2000, 20 * time.Millisecond, 30 * time.Second}, {5000, 300 * time.Millisecond, 10 * time.Minute}} {
		t.Run(fmt.Sprint(test.pods), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := archivetest.NewShelf(t)
				defer s.Spool.Still()
				ref := archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid"}
				for n := range test.pods {
					p := ref
					p.Pod, p.PodUID = fmt.Sprintf("job-%d-abcde", n), archive.PodUID(fmt.Sprintf("uid-%d", n))
					if err := s.Sealer.Pod(t.Context(), ordinary(p)); err != nil {
						t.Fatal(err)
					}
				}
				store := &archivetest.SlowStore{Store: s.Store, Delay: test.delay}
				sealer := seal.New(store, s.Spool, "test", archivetest.QuietLogger(), func(error) {})
				begin, tries := time.Now(), 0
				for {
					tries++
					e, err := sealer.Evidence(t.Context(), ref)
					if err == nil {
						if len(e.Manifests) != test.pods || e.Manifests[0].Pod.Pod == "" {
							t.Errorf("%d manifests, want %d", len(e.Manifests), test.pods)
						}
						break
					}
					if !errors.Is(err, seal.ErrUnfinished) || time.Since(begin) > test.within {
						t.Fatalf("after %v and %d tries: %v", time.Since(begin), tries, err)
					}
				}
				t.Logf("%d pods: %v, %d tries, %d GETs", test.pods, time.Since(begin), tries, store.Gets.Load())
				if took := time.Since(begin); took > test.within {
					t.Errorf("took %v, want %v at most", took, test.within)
				}
				if most := int64(test.pods + 16*tries); store.Gets.Load() > most {
					t.Errorf("%d GETs in %d tries, want %d at most: what was read is read again", store.Gets.Load(), tries, most)
				}
			})
		})
	}
}

// ordinary is a manifest as long as they are: most of it is what nobody needs for a proof.
func ordinary(p archive.PodRef) *archive.Manifest {
	m := &archive.Manifest{
		Pod: archive.PodSummary{PodRef: p, Phase: "Succeeded", Labels: map[string]string{"workload": archivetest.Workload}},
		Job: &archive.JobSummary{Name: p.Job, UID: p.JobUID, Labels: map[string]string{"team": "tea"}}, Workloads: []string{archivetest.Workload},
		Instances: []archive.InstanceRecord{{Instance: archive.Instance{PodRef: p, Container: "main"}, Verdict: archive.Seamed, Seams: 2}},
	}
	for n := range 20 {
		m.Events = append(m.Events, archive.Event{Object: "pod", Reason: "Pulled", Message: strings.Repeat("word ", 30), Count: int32(n)})
	}
	return m
}

// TestDeletedJobIsToldByItsManifests: a Job that nobody here has seen gets a document that tells what the manifests do.
func TestDeletedJobIsToldByItsManifests(t *testing.T) {
	s := archivetest.NewShelf(t)
	ref := archive.PodRef{Namespace: "ns", Job: "job", JobUID: "job-uid", Pod: "job-a", PodUID: "a"}
	if err := s.Sealer.Pod(t.Context(), ordinary(ref)); err != nil {
		t.Fatal(err)
	}
	// what is read for a proof is shorter, and remembered
	if _, err := s.Sealer.Evidence(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if written, err := s.Sealer.GoneJob(t.Context(), ref, &archive.JobDocument{Namespace: "ns"}); !written || err != nil {
		t.Fatalf("got %t, %v, want the document written", written, err)
	}
	kept, err := s.Reader.Job(t.Context(), "ns", "job", "")
	if err != nil {
		t.Fatal(err)
	}
	d := kept.Document
	if d.Job.Labels["team"] != "tea" || !slices.Equal(d.Workloads, []string{archivetest.Workload}) || d.Pods[0].Seams != 2 {
		t.Errorf("got %+v, want the labels, the workload and the seams of the manifest", d)
	}
}

// TestEvidenceIsLookedAtAgain: a manifest that went from the store is no evidence, although it was read before.
func TestEvidenceIsLookedAtAgain(t *testing.T) {
	s := archivetest.NewShelf(t)
	s.Append("main", archivetest.LinesTimedByNumber(3))
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		e, err := s.Sealer.Evidence(t.Context(), archivetest.Pod)
		if err != nil || len(e.Manifests) != want {
			t.Errorf("%d manifests, %v, want %d", len(e.Manifests), err, want)
		}
		if err := s.Store.Delete(t.Context(), archivetest.Pod.ManifestKey()); err != nil {
			t.Fatal(err)
		}
	}
}
