package seal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestRandomLives drives spool and seal through random lives: lines, flushes, gaps, deaths with torn files, and a store
// that fails in both ways. What is sealed at last is what was served, in order, each line once.
func TestRandomLives(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { liveAndSeal(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func liveAndSeal(t *testing.T, random *rand.Rand) {
	dir, memory := t.TempDir(), storetest.NewMemory(t)
	want := map[string][]archive.Line{"main": archivetest.LongLines(random.IntN(4_000), random.Uint64()), "side": archivetest.OddLines(), "quiet": nil}
	store := &storetest.Faulty{Store: memory}
	effects := []storetest.Effect{storetest.NotStored(nil), storetest.Stored(nil)}
	for range random.IntN(12) {
		op := []storetest.Op{storetest.OpPut, storetest.OpPut, storetest.OpGet}[random.IntN(3)]
		store.Break(storetest.Fault{Op: op, Skip: random.IntN(6), Effect: effects[random.IntN(2)]})
	}
	r := archivetest.NewReplica(t, dir, store)
	for {
		left := 0
		for name, lines := range want {
			left += appendSome(t, archivetest.OpenLog(t, r.Spool, archivetest.Instance(name)), lines, random)
		}
		if random.IntN(4) == 0 {
			r.Spool.Still()
			tear(t, dir, random)
			r = archivetest.NewReplica(t, dir, store)
		} else if left == 0 {
			break
		}
	}
	for {
		for name, lines := range want { // a log that has not ended is read to its end again
			if log := archivetest.OpenLog(t, r.Spool, archivetest.Instance(name)); !log.Ended() {
				if _, err := log.Append(lines[log.Summary().Lines:]...); err != nil {
					t.Fatal(err)
				}
			}
		}
		life, die := context.WithCancel(t.Context())
		if random.IntN(2) == 0 {
			store.Break(storetest.Fault{Op: storetest.OpPut, Skip: random.IntN(5), Effect: []storetest.Effect{
				storetest.Before(die), storetest.After(die),
			}[random.IntN(2)]})
		}
		err := r.Seal(life, "main", "side", "quiet")
		crashed := life.Err() != nil
		die()
		if err == nil || errors.Is(err, seal.ErrSealed) {
			break
		}
		if !crashed {
			t.Fatalf("seal: %v", err)
		}
		r = archivetest.NewReplica(t, dir, store)
	}
	store.Mend()
	checkArchive(t, memory, want)
}

// appendSome goes on with a log from what it holds, as a follower does, and says how many lines are left.
func appendSome(t *testing.T, log *spool.Log, lines []archive.Line, random *rand.Rand) (left int) {
	t.Helper()
	held := int(log.Summary().Lines)
	n := min(len(lines)-held, random.IntN(800))
	if _, err := log.Append(lines[held : held+n]...); err != nil {
		t.Fatal(err)
	}
	if random.IntN(2) == 0 {
		if err := log.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return len(lines) - held - n
}

// tear cuts some bytes off the end of some files, as a death in the middle of a write does.
func tear(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	for _, pattern := range []string{"*.log", "*.tail"} {
		names, err := filepath.Glob(filepath.Join(dir, "*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if size := archivetest.FileSize(t, name); size > 0 && random.IntN(3) == 0 {
				if err := os.Truncate(name, size-random.Int64N(min(size, 5000))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
