package seal_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// BenchmarkSealPod is what the spool costs a pod of one small log: from its first line to the emptying of the spool,
// with a store in memory. Most of it is files that are created.
func BenchmarkSealPod(b *testing.B) {
	spool := archivetest.OpenSpool(b, b.TempDir(), 1<<40)
	sealer := seal.New(storetest.NewMemory(b), spool, "replica-0", slog.New(slog.DiscardHandler), func(error) {})
	lines := archivetest.ManyLines(100, 1)
	ctx := context.Background()
	for n := 0; b.Loop(); n++ {
		i := archivetest.Instance("main")
		i.Pod, i.PodUID = fmt.Sprint("pod-", n), archive.PodUID(fmt.Sprint("uid-", n))
		m := &archive.Manifest{Pod: archive.PodSummary{PodRef: i.PodRef}}
		for _, phase := range []string{"Pending", "Running", "Running"} {
			m.Pod.Phase = phase
			if err := spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
				b.Fatal(err)
			}
		}
		log := archivetest.OpenLog(b, spool, i)
		if _, err := log.Append(lines...); err != nil {
			b.Fatal(err)
		}
		if err := log.Flush(); err != nil {
			b.Fatal(err)
		}
		m.Pod.Phase = "Succeeded"
		for range 3 {
			if err := spool.SaveDraft(&archive.Draft{Manifest: *m}); err != nil {
				b.Fatal(err)
			}
		}
		record, err := sealer.Log(ctx, log)
		if err != nil {
			b.Fatal(err)
		}
		m.Instances = []archive.InstanceRecord{record}
		if err := sealer.Pod(ctx, m); err != nil {
			b.Fatal(err)
		}
	}
}
