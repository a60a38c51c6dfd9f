package read_test

import (
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
)

func BenchmarkReadSealed(b *testing.B) {
	const size = 64 << 20
	memory := archivetest.SealedShelf(b, size)
	r := read.New(find.Config{Store: memory, Codec: archivetest.OneCodec})
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
				a, err := r.Read(b.Context(), archive.Query{Target: archivetest.WholeJob, Grep: bench.grep})
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
