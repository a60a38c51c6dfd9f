package takeover_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestEndOutlivesCompaction: a log's last frames are written again, and the object goes that said that it had ended.
// Who takes over knows it all the same, and need not ask a kubelet that has nothing to say any more.
func TestEndOutlivesCompaction(t *testing.T) {
	for name, with := range map[string]bool{"said with its last frames": true, "said by itself": false} {
		t.Run(name, func(t *testing.T) {
			memory := archivetest.NewJournalStore(t)
			first := archivetest.NewCompactLife(t, "r-1", memory, 3<<20, 2)
			lines := archivetest.FatLines(450)
			var log *spool.Log
			for n := range 3 {
				log = first.Write(archivetest.PodNumber(1), "main", lines[n*150:(n+1)*150])
				if n < 2 {
					first.Flush()
				}
			}
			if !with {
				first.Flush()
			}
			if _, err := log.End(); err != nil {
				t.Fatal(err)
			}
			for range 3 { // each of them may write the frames again
				first.Flush()
				if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
					t.Fatal(err)
				}
				second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
				second.TakeOver("r-1")
				taken := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
				linetest.WantLines(t, archivetest.HeldLines(t, taken), lines)
				if !taken.Ended() {
					t.Fatal("a log that was read to its end is open again")
				}
			}
			if first.Journal.Stats().Compacted == 0 {
				t.Error("nothing was written again: the test has shown nothing")
			}
		})
	}
}

// TestSealedLogStandsFirst: a replica that was paused past its Lease seals a log that another one went on with. The log
// object is in the store, so its record counts before any frames, whoever's word counts.
func TestSealedLogStandsFirst(t *testing.T) {
	lines := archivetest.ManyLines(2000, 48)
	for _, names := range [][]string{{"r-1", "r-2"}, {"r-2", "r-1"}} {
		memory := archivetest.NewJournalStore(t)
		paused := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
		log := paused.Write(archivetest.PodNumber(1), "main", lines[:1000])
		paused.Flush()
		second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
		second.TakeOver("r-1")
		second.Write(archivetest.PodNumber(1), "main", lines[1000:])
		second.Flush()
		want, err := paused.Sealer.Log(t.Context(), log)
		if err != nil {
			t.Fatal(err)
		}
		paused.Flush()
		third := archivetest.NewLife(t, "r-3", t.TempDir(), memory, 0)
		third.TakeOver(names...)
		r, ok, err := archivetest.OpenLog(t, third.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main")).Record()
		if !ok || err != nil || r.Log == nil || r.Log.Key != want.Log.Key {
			t.Errorf("taken in the order %v: Record() = %+v, %t, %v; want that of %s", names, r, ok, err, want.Log.Key)
		}
	}
}

// TestIdentityComesLast: a takeover dies before the files of a log are in their place. The next start must not find an
// empty log.
func TestIdentityComesLast(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	if _, err := first.Sealer.Log(t.Context(), first.Write(archivetest.PodNumber(1), "main", archivetest.ManyLines(100, 49))); err != nil {
		t.Fatal(err)
	}
	first.Flush()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	block := second.LogPath(archivetest.PodNumber(1), "main", ".sealed.json")
	if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if pods, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, archivetest.NoWriter); err == nil {
		t.Fatalf("TakeOver() = %v, want an error", pods)
	}
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	second = archivetest.NewLife(t, "r-2", second.Dir, memory, 0)
	for _, l := range second.Spool.Logs(archivetest.PodNumber(1).PodUID) {
		t.Errorf("found a log of %d lines, want none: its record was not there yet", l.Summary().Lines)
	}
	second.TakeOver("r-1")
	if r, ok, err := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main")).Record(); !ok || err != nil {
		t.Errorf("Record() = %+v, %t, %v; want that of the dead replica", r, ok, err)
	}
}

// TestHeldLogStays: what the spool has of a log is not replaced by less, nor by as much, nor by what counts less.
func TestHeldLogStays(t *testing.T) {
	lines := archivetest.ManyLines(3000, 50)
	for _, tt := range []struct {
		name     string
		trusted  bool // its word counts before that of the journal
		journal  int  // lines
		ended    bool
		replaced bool
	}{
		{"as much", false, 1000, false, false},
		{"less", false, 999, false, false},
		{"more", false, 1001, false, true},
		{"more than one that has ended", false, 1001, true, false},
		{"more, but counts less", true, 1001, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			memory := archivetest.NewJournalStore(t)
			first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
			first.Write(archivetest.PodNumber(1), "main", lines[:tt.journal])
			first.Flush()
			second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			if tt.trusted {
				second.TakeOver()
			}
			own := second.Write(archivetest.PodNumber(1), "main", lines[:1000])
			if tt.ended {
				if _, err := own.End(); err != nil {
					t.Fatal(err)
				}
			}
			stilled := false
			_, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, func(archive.PodRef) { stilled = true })
			if err != nil || stilled != tt.replaced {
				t.Errorf("TakeOver: %v; followers stilled: %t, want %t", err, stilled, tt.replaced)
			}
			log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
			if same := log == own; same == tt.replaced {
				t.Errorf("the log is replaced: %t, want %t", !same, tt.replaced)
			}
			linetest.WantLines(t, archivetest.HeldLines(t, log), lines[:map[bool]int{true: tt.journal, false: 1000}[tt.replaced]])
		})
	}
}

// TestLogBegunInATakeover: a follower begins a log while the takeover fetches another copy of it, which has less.
func TestLogBegunInATakeover(t *testing.T) {
	memory, lines := archivetest.NewJournalStore(t), archivetest.ManyLines(1500, 52)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	first.Write(archivetest.PodNumber(1), "main", lines[:1000])
	first.Flush()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	var own *spool.Log
	begin := func(p archive.PodRef) { own = second.Write(p, "main", lines) }
	if _, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, begin); err != nil {
		t.Fatal(err)
	}
	log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
	if log != own {
		t.Error("the log that was begun is replaced by one with less")
	}
	linetest.WantLines(t, archivetest.HeldLines(t, log), lines)
}

// TestWrittenAgainInOneObject: frames that are written again find the object almost full. They go into it whole all the
// same: the objects that held them are let go for that one, and the next may never be put.
func TestWrittenAgainInOneObject(t *testing.T) {
	const maxObject, rounds, perRound = 3 << 20, 4, 150
	lines, others := archivetest.FatLines(rounds*perRound), archivetest.FatLines(20*perRound)
	memory := archivetest.NewJournalStore(t)
	store := &storetest.Faulty{Store: memory}
	first := archivetest.NewCompactLife(t, "r-1", store, maxObject, 2)
	for n := range rounds {
		first.Write(archivetest.PodNumber(2), "main", lines[n*perRound:(n+1)*perRound])
		if n < rounds-1 {
			first.Flush()
		}
	}
	again := first.Journal.Stats().Compacted
	first.Write(archivetest.PodNumber(1), "main", others)
	ctx, die := context.WithCancel(t.Context())
	defer die()
	store.Break(storetest.Fault{Op: storetest.OpPut, Skip: 1, Effect: storetest.Before(die)})
	if err := first.Journal.Flush(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	store.Mend()
	if first.Journal.Stats().Compacted == again {
		t.Error("nothing was written again: the test has shown nothing")
	}
	if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
		t.Fatal(err)
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	got := archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(2), "main")))
	if want := (rounds - 1) * perRound; len(got) < want {
		t.Fatalf("got %d lines, want %d at least: so many were journaled before", len(got), want)
	}
	linetest.WantLines(t, got, lines[:len(got)])
}

// TestSmallFramesWithHoles: of a log many objects are gone, each with a whole frame. What is left is small frames, more
// than a .tail takes, and which is joined in memory.
func TestSmallFramesWithHoles(t *testing.T) {
	const rounds, small = 30, 100 // lines; a frame holds some 130
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.FatLines(rounds * 2 * small)
	var want []archive.Line
	for n := range 2 * rounds {
		part := lines[n*small : (n+1)*small]
		first.Write(archivetest.PodNumber(1), "main", part)
		first.Flush()
		keys := archivetest.JournalKeys(memory)
		x, err := archivetest.NewCodec(t).ReadJournalIndex(t.Context(), memory, keys[len(keys)-1])
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(x.Pods[0].Logs[0].Frames, func(f format.JournalFrames) bool { return f.Whole }) {
			if err := memory.Delete(t.Context(), keys[len(keys)-1]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want = append(want, part...)
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	log := archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
	linetest.WantLines(t, archivetest.HeldLines(t, log), want)
	if gaps := log.Summary().Gaps; len(gaps) < 10 {
		t.Errorf("got %d gaps: the test has shown nothing", len(gaps))
	}
	if size := archivetest.FileSize(t, second.LogPath(archivetest.PodNumber(1), "main", ".tail")); size > 1<<20 {
		t.Errorf(".tail has %d bytes, which are joined to one frame in memory; want no more than a follower lets it have", size)
	}
	again := archivetest.NewLife(t, "r-2", second.Dir, memory, 0)
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, again.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), want)
}

// TestLeftoversOfATakeover: a process that died in a takeover leaves files, which the next one does not go on with.
func TestLeftoversOfATakeover(t *testing.T) {
	memory, dir := archivetest.NewJournalStore(t), t.TempDir()
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(20_000, 51)
	first.Write(archivetest.PodNumber(1), "main", lines)
	first.Flush()
	for _, ext := range []string{".log", ".tail"} {
		name := filepath.Join(dir, ".takeover", fmt.Sprintf("%s.main.0%s", archivetest.PodNumber(1).PodUID, ext))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("half of a frame"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	second := archivetest.NewLife(t, "r-2", dir, memory, 0)
	second.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
}
