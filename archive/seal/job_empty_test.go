package seal_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestJobWithoutPods: it is listed, found by its name, and has a log that is empty and at its end.
func TestJobWithoutPods(t *testing.T) {
	s := archivetest.NewShelf(t)
	if err := s.KeepCancelled(archivetest.AtSecond(0)); err != nil {
		t.Fatal(err)
	}
	for _, q := range []archive.JobQuery{{}, {Workload: archivetest.Workload}} {
		if got := s.ListedNames(s.Reader, q); !slices.Equal(got, []string{"cancelled"}) {
			t.Errorf("list of %+v: %q, want the Job", q, got)
		}
	}
	for _, uid := range []archive.JobUID{"", "uid"} {
		job, err := s.Reader.Job(t.Context(), "ns", "cancelled", uid)
		if err != nil || !job.Finished || job.JobUID != "uid" {
			t.Errorf("by its name and UID %q: %+v, %v", uid, job, err)
		}
	}
	for _, target := range []archive.Target{{Namespace: "ns", Job: "cancelled"}, {Workload: archivetest.Workload}} {
		for _, following := range []bool{false, true} {
			a, entries := archivetest.ReadWhole(t, s.Reader, archive.Query{Target: target, Follow: following})
			if len(entries)+len(a.Logs) != 0 || !a.Over {
				t.Errorf("%s, follow %v: %d lines of %d logs, over %v; want nothing, and its end", target, following, len(entries), len(a.Logs), a.Over)
			}
		}
	}
	if _, err := s.Reader.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: "ns", Pod: "cancelled-x"}}); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("a pod that it never had: %v, want ErrNotFound", err)
	}
}

// TestNewestJobOfAName: one without pods is the newest where it was made last, and one with pods is where that was.
func TestNewestJobOfAName(t *testing.T) {
	for _, test := range []struct {
		name string
		made time.Time
		want archive.JobUID
	}{{"before", archivetest.AtSecond(-100), "cancelled-uid"}, {"after", archivetest.AtSecond(1000), "uid"}} {
		t.Run(test.name, func(t *testing.T) {
			s := archivetest.NewShelf(t)
			s.Keep(archivetest.Workload, archivetest.KeptInstance{Job: "cancelled", Pod: "cancelled-x", Container: "main", Kind: archive.KindMain})
			if err := s.KeepCancelled(test.made); err != nil {
				t.Fatal(err)
			}
			job, err := s.Reader.Job(t.Context(), "ns", "cancelled", "")
			if err != nil || job.JobUID != test.want {
				t.Errorf("got %+v, %v, want the Job of UID %s", job, err, test.want)
			}
		})
	}
}

// TestJobWithoutPodsCrash: a crash between its document and its index keys is made good by the next call.
func TestJobWithoutPodsCrash(t *testing.T) {
	for _, effect := range []storetest.Effect{storetest.NotStored(nil), storetest.Stored(nil)} {
		synctest.Test(t, func(t *testing.T) {
			s := archivetest.NewShelf(t)
			defer s.Spool.Still()
			s.Faulty.Break(storetest.Fault{Op: storetest.OpPut, Key: "*/_index/*", Times: 1, Effect: effect})
			if err := s.KeepCancelled(archivetest.AtSecond(0)); err != nil { // it is tried again
				t.Fatal(err)
			}
			if got := s.ListedNames(s.Reader, archive.JobQuery{}); len(got) != 1 {
				t.Errorf("after a put that failed: %q, want the Job", got)
			}
			for _, key := range []archive.Key{archivetest.CancelledJob.DayIndexKey(archivetest.AtSecond(0)), archivetest.CancelledJob.WorkloadIndexKey(archivetest.Workload)} {
				if err := s.Store.Delete(t.Context(), key); err != nil { // as if it had died before them
					t.Fatal(err)
				}
			}
			if err := s.KeepCancelled(archivetest.AtSecond(0)); err != nil {
				t.Fatal(err)
			}
			for _, q := range []archive.JobQuery{{}, {Workload: archivetest.Workload}} {
				if got := s.ListedNames(s.Reader, q); len(got) != 1 {
					t.Errorf("after a death before the keys: list of %+v is %q, want the Job", q, got)
				}
			}
		})
	}
}

// TestRetentionOfAJobWithoutPods: it goes when its document is old enough, however old the Job was by then, and all
// of it goes.
func TestRetentionOfAJobWithoutPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.NewShelf(t)
		defer s.Spool.Still()
		const day = 24 * time.Hour
		if err := s.KeepCancelled(time.Now().Add(-100 * day)); err != nil { // it stood in the queue for long
			t.Fatal(err)
		}
		retention := retention.New(retention.Config{After: 30 * day}, s.Store, s.Journal(), slog.New(slog.DiscardHandler))
		left := func() (keys []archive.Key) {
			t.Helper()
			if err := retention.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, key := range s.Store.Keys() {
				if strings.Contains(string(key), "cancelled") {
					keys = append(keys, key)
				}
			}
			return keys
		}
		time.Sleep(29 * day)
		if got := left(); len(got) != 3 {
			t.Errorf("after 29 days there is %q, want the document and two index keys", got)
		}
		time.Sleep(3 * day)
		if got := left(); len(got) != 0 {
			t.Errorf("after 32 days, with a retention of 30, there is %q", got)
		}
	})
}
