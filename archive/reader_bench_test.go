package archive_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// sealedShelf has a log of about so many bytes of a training job's text sealed in a store in memory.
func sealedShelf(b *testing.B, bytes int) *storetest.Memory {
	b.Helper()
	memory := storetest.NewMemory(nil)
	spool := openSpool(b, b.TempDir(), 1<<40)
	log := openLog(b, spool, instance("main"))
	r := rand.New(rand.NewPCG(1, 1))
	batch := make([]archive.Line, 1000)
	for written, n := 0, 0; written < bytes; {
		for i := range batch {
			n++
			batch[i] = archive.Line{Time: start + int64(n)*137_000, Text: fmt.Appendf(batch[i].Text[:0],
				"2026-11-23 21:00:%02d,%03d INFO epoch %d step %d loss=%.6f grad_norm=%.4f host=worker-%d", n/1000%60, n%1000,
				n/100_000, n, 1/r.Float64(), r.Float64(), n%7)}
			written += len(batch[i].Text) + 1
		}
		if _, err := log.Append(batch...); err != nil {
			b.Fatal(err)
		}
	}
	seal(b, memory, spool)
	return memory
}

func BenchmarkReadSealed(b *testing.B) {
	const size = 64 << 20
	memory := sealedShelf(b, size)
	r := archive.NewReader(archive.ReaderConfig{Store: memory, Codec: oneCodec})
	for _, bench := range []struct {
		name string
		grep *archive.Grep
	}{
		{"all", nil},
		{"rare", &archive.Grep{Pattern: "step 99999 ", Fixed: true}},
		{"often", &archive.Grep{Pattern: "worker-3", Fixed: true}},
		{"expression", &archive.Grep{Pattern: `step 9999\d loss`}},
		{"around", &archive.Grep{Pattern: "step 99999 ", Fixed: true, Before: 3, After: 3}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				a, err := r.Read(b.Context(), archive.Query{Target: wholeJob, Grep: bench.grep})
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range a.Entries {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// seal seals the one log of a spool, and its pod and Job.
func seal(b *testing.B, store archive.Store, spool *archive.Spool) {
	b.Helper()
	sealer := archive.NewSealer(store, spool, "replica-0", slog.New(slog.DiscardHandler), func(error) {})
	record, err := sealer.Log(b.Context(), openLog(b, spool, instance("main")))
	if err != nil {
		b.Fatal(err)
	}
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: pod, Phase: "Succeeded"}, Instances: []archive.InstanceRecord{record}}
	if err := sealer.Pod(b.Context(), m); err != nil {
		b.Fatal(err)
	}
}
