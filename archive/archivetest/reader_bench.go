package archivetest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// SealedShelf has a log of about so many bytes of a training job's text sealed in a store in memory.
func SealedShelf(b *testing.B, bytes int) *storetest.Memory {
	b.Helper()
	memory := storetest.NewMemory(nil)
	spool := OpenSpool(b, b.TempDir(), 1<<40)
	log := OpenLog(b, spool, Instance("main"))
	r := rand.New(rand.NewPCG(1, 1))
	batch := make([]archive.Line, 1000)
	for written, n := 0, 0; written < bytes; {
		for i := range batch {
			n++
			batch[i] = archive.Line{Time: Start + int64(n)*137_000, Text: fmt.Appendf(batch[i].Text[:0],
				"2026-11-23 21:00:%02d,%03d INFO epoch %d step %d loss=%.6f grad_norm=%.4f host=worker-%d", n/1000%60, n%1000,
				n/100_000, n, 1/r.Float64(), r.Float64(), n%7)}
			written += len(batch[i].Text) + 1
		}
		if _, err := log.Append(batch...); err != nil {
			b.Fatal(err)
		}
	}
	SealAll(b, memory, spool)
	return memory
}

// SealAll seals the one log of a spool, and its pod and Job.
func SealAll(b *testing.B, store archive.Store, spool *spool.Spool) {
	b.Helper()
	sealer := seal.New(store, spool, "replica-0", slog.New(slog.DiscardHandler), func(error) {})
	record, err := sealer.Log(b.Context(), OpenLog(b, spool, Instance("main")))
	if err != nil {
		b.Fatal(err)
	}
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: Pod, Phase: "Succeeded"}, Instances: []archive.InstanceRecord{record}}
	if err := sealer.Pod(b.Context(), m); err != nil {
		b.Fatal(err)
	}
}
