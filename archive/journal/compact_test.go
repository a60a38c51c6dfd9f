package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestJournalOfALongLog has logs that stay open for thousands of intervals: a quick one, whose every interval fills
// frames, and slow ones. The objects stay few, the bytes are written few times, and a takeover gets every line once.
func TestJournalOfALongLog(t *testing.T) {
	const maxObject, compact = 256 << 10, 8
	for _, tt := range []struct {
		name        string
		rounds      int
		perRound    []int // lines of each log
		mostObjects int
		mostAgain   float64 // of the bytes of frames that the logs have
	}{
		{"quick", 160, []int{200}, 45, 0}, // its objects are large by themselves
		{"slow", 2000, []int{3}, 100, 10},
		{"steady", 500, []int{30}, 40, 5},
		{"all", 160, []int{150, 1, 4}, 60, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			memory := archivetest.NewJournalStore(t)
			first := archivetest.NewCompactLife(t, "r-1", memory, maxObject, compact)
			var all [][]archive.Line
			for n, lines := range tt.perRound {
				all = append(all, archivetest.LongLines(tt.rounds*lines, uint64(n)))
			}
			most := 0
			for round := range tt.rounds {
				for n, lines := range tt.perRound {
					first.Write(archivetest.PodNumber(n), "main", all[n][round*lines:(round+1)*lines])
				}
				first.Flush()
				if round%10 == 0 {
					if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
						t.Fatal(err)
					}
					most = max(most, len(archivetest.JournalKeys(memory)))
				}
			}
			if most > tt.mostObjects {
				t.Errorf("%d objects at a time, want %d at most", most, tt.mostObjects)
			}
			s := first.Journal.Stats()
			once := float64(s.Frames + s.Tails - s.Compacted)
			if again := float64(s.Compacted) / once; (again > 0) != (tt.mostAgain > 0) || again > tt.mostAgain {
				t.Errorf("%d bytes were written again, that is %.1f times the %.0f bytes, want %.1f at most and some", s.Compacted, again, once, tt.mostAgain)
			}
			t.Logf("%d objects at most, %.0f bytes of frames, %d written again", most, once, s.Compacted)
			second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			second.TakeOver("r-1")
			for n := range all {
				linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(n), "main"))), all[n])
				if err := second.SealPod(t.Context(), archivetest.PodNumber(n)); err != nil {
					t.Error(err)
				}
			}
			second.CollectToNothing(memory)
		})
	}
}

// TestJournalCompactCrash breaks each put of a journal that is written again, in each way, and each removal, and takes
// over at every step: no line is lost, none comes twice.
func TestJournalCompactCrash(t *testing.T) {
	archivetest.WarmCodec(t)
	const perRound = 150 // more than a frame holds
	lines := archivetest.FatLines(16 * perRound)
	for way, effect := range map[string]storetest.Effect{"not stored": storetest.NotStored(nil), "stored but reported failed": storetest.Stored(nil)} {
		for _, op := range []storetest.Op{storetest.OpPut, storetest.OpDelete} {
			t.Run(fmt.Sprint(op, " ", way), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					memory := archivetest.NewJournalStore(t)
					store := &storetest.Faulty{Store: memory}
					first := archivetest.NewCompactLife(t, "r-1", store, 3<<20, 2)
					for n := range 16 {
						first.Write(archivetest.PodNumber(1), "main", lines[n*perRound:(n+1)*perRound])
						store.Break(storetest.Fault{Op: op, Key: "v1/_journal/*", Effect: effect})
						first.Flush()
						second := archivetest.NewLife(t, fmt.Sprint("s-", n), t.TempDir(), memory, 0)
						second.TakeOver("r-1")
						linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines[:(n+1)*perRound])
						if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
							t.Fatal(err)
						}
						store.Mend()
					}
					if first.Journal.Stats().Compacted == 0 {
						t.Error("nothing was written again: the test has shown nothing")
					}
				})
			})
		}
	}
}

// TestJournalHalfRemoved has a removal broken off in the middle: of the objects whose frames were written again some
// are left, and a takeover meets them before those that took their place.
func TestJournalHalfRemoved(t *testing.T) {
	t.Parallel()
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewCompactLife(t, "r-1", memory, 3<<20, 3)
	const rounds, perRound = 40, 150
	lines, random := archivetest.FatLines(rounds*perRound), rand.New(rand.NewPCG(1, 1))
	met := 0
	for n := range rounds {
		first.Write(archivetest.PodNumber(1), "main", lines[n*perRound:(n+1)*perRound])
		first.Flush()
		before := map[archive.Key][]byte{}
		for _, key := range archivetest.JournalKeys(memory) {
			before[key], _ = memory.Bytes(key)
		}
		if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
			t.Fatal(err)
		}
		half := archivetest.NewJournalStore(t)
		for key, b := range before {
			if _, there := memory.Bytes(key); !there && random.IntN(2) == 0 {
				continue
			} else if !there {
				met++
			}
			if err := half.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		second := archivetest.NewLife(t, "r-2", t.TempDir(), half, 0)
		second.TakeOver("r-1")
		log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
		linetest.WantLines(t, archivetest.HeldLines(t, log), lines[:(n+1)*perRound])
		if gaps := log.Summary().Gaps; len(gaps) > 0 {
			t.Errorf("got gaps %v, want none", gaps)
		}
	}
	if met < 10 {
		t.Errorf("only %d objects were left over: the test has shown nothing", met)
	}
}
