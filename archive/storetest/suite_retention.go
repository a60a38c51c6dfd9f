package storetest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
)

// testRetention deletes from a store while it is listed, as the archive does once a day: of an old Job nothing is
// left, and a young one stays as it is.
func testRetention(t *testing.T, s archive.Store) {
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 20, Memory: 1 << 20, FlushInterval: time.Second}, codec, log)
	if err != nil {
		t.Fatal(err)
	}
	sealer := seal.New(s, spool, "replica", log, func(error) {})
	for name, age := range map[string]time.Duration{"old": 72 * time.Hour, "young": 0} {
		if err := sealOne(t.Context(), spool, sealer, name, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	journal := journal.New(journal.Config{Replica: "replica"}, s, spool, log, func(error) {})
	r := retention.New(retention.Config{After: time.Nanosecond}, s, journal, log)
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Stats(); got.Jobs != 1 || got.Objects != 5 {
		t.Errorf("got %+v, want one Job of 5 objects deleted", got)
	}
	want := []archive.Key{
		"v1/_index/day/" + archive.Key(time.Now().UTC().Format(time.DateOnly)) + "/ns.young.young-uid", "v1/_index/workload/w-young/ns.young.young-uid",
		"v1/ns/young/young-uid/job.json", "v1/ns/young/young-uid/young-1.young-pod/main.0.log.zst", "v1/ns/young/young-uid/young-1.young-pod/manifest.json",
	}
	checkKeys(t, s, want)
}

// sealOne seals a Job of one pod with one line.
func sealOne(ctx context.Context, spool *spool.Spool, sealer *seal.Sealer, name string, created time.Time) error {
	pod := archive.PodRef{Namespace: "ns", Job: name, JobUID: archive.JobUID(name + "-uid"), Pod: name + "-1", PodUID: archive.PodUID(name + "-pod")}
	l, err := spool.Log(archive.Instance{PodRef: pod, Container: "main", Kind: archive.KindMain})
	if err != nil {
		return err
	}
	_, appended := l.Append(archive.Line{Time: 1, Text: []byte("last words")})
	record, sealed := sealer.Log(ctx, l)
	job := archive.JobSummary{Name: name, UID: pod.JobUID, CreatedAt: created}
	pods := sealer.Pod(ctx, &archive.Manifest{
		Pod: archive.PodSummary{PodRef: pod}, Job: &job, Workloads: []string{"w-" + name}, Instances: []archive.InstanceRecord{record},
	})
	_, written := sealer.Job(ctx, pod, &archive.JobDocument{Namespace: "ns", Job: job})
	return errors.Join(appended, sealed, pods, written)
}

func checkKeys(t *testing.T, s archive.Store, want []archive.Key) {
	t.Helper()
	var got []archive.Key
	for object, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, object.Key)
	}
	if len(got) != len(want) {
		t.Fatalf("got keys\n%q, want\n%q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got key %s, want %s", got[i], want[i])
		}
	}
}
