package journal_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestCollectKeepsWhatWasHandedOver: a pod that has left the spool is not sealed for that. Its new owner may die before
// he has journaled it.
func TestCollectKeepsWhatWasHandedOver(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(100, 40)
	first.Write(archivetest.PodNumber(1), "main", lines)
	first.Flush()
	if err := first.Spool.Drop(archivetest.PodNumber(1).PodUID); err != nil {
		t.Fatal(err)
	}
	if err := first.Journal.Collect(t.Context(), archivetest.NoReplica); err != nil {
		t.Fatal(err)
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
}

// TestCollectAwaitsEveryPod: an object stays for the one of its many pods that is not sealed.
func TestCollectAwaitsEveryPod(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	const pods = 20 // more than are remembered of an object
	dead := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range pods {
		dead.Write(archivetest.PodNumber(n), "main", archivetest.ManyLines(3, 41))
	}
	dead.Flush()
	last := archivetest.PodNumber(9) // in the order of UIDs
	other := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	for n := range pods {
		if archivetest.PodNumber(n) == last {
			continue
		}
		other.Write(archivetest.PodNumber(n), "main", archivetest.ManyLines(3, 41))
		if err := other.SealPod(t.Context(), archivetest.PodNumber(n)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := other.Journal.Collect(t.Context(), archivetest.EveryReplica); err != nil {
			t.Fatal(err)
		}
	}
	other.TakeOver("r-1")
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, other.Spool, archivetest.InstanceOf(last, "main"))), archivetest.ManyLines(3, 41))
	if err := other.SealPod(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	other.CollectToNothing(memory)
}

// TestCollectLeavesDamageForALook: an object that cannot be read stays as long as its replica has another one that is
// needed.
func TestCollectLeavesDamageForALook(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	dead := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range 2 {
		dead.Write(archivetest.PodNumber(n), "main", archivetest.ManyLines(3, 42))
		dead.Flush()
	}
	keys := archivetest.JournalKeys(memory)
	archivetest.PutBytes(t, memory, keys[0], []byte("no journal object at all"))
	other := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	if err := other.Journal.Collect(t.Context(), archivetest.EveryReplica); err != nil {
		t.Fatal(err)
	}
	if got := archivetest.JournalKeys(memory); len(got) != len(keys) {
		t.Errorf("got %q, want %q: the second is needed", got, keys)
	}
	other.TakeOver("r-1")
	if err := other.SealPod(t.Context(), archivetest.PodNumber(1)); err != nil {
		t.Fatal(err)
	}
	other.CollectToNothing(memory)
}

// TestTwoProcessesOfOneName write objects under one key. Each finds out that the other's is not his, be it of the same
// size.
func TestTwoProcessesOfOneName(t *testing.T) {
	archivetest.WarmCodec(t)
	for range 500 { // an object's size depends on a random name in it
		same := false
		// at one moment, from which a journal's first key comes
		synctest.Test(t, func(t *testing.T) { same = twoOfOneName(t) })
		if same {
			return
		}
	}
	t.Error("no two objects had the same size: the test has shown nothing")
}

func twoOfOneName(t *testing.T) (sameSize bool) {
	memory := archivetest.NewJournalStore(t)
	lines := archivetest.ManyLines(1, 43)
	lives := []*archivetest.Life{archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0), archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)}
	for _, l := range lives {
		l.Flush() // both look for the next key while there is none
	}
	for n, l := range lives {
		l.Write(archivetest.PodNumber(n), "main", lines)
		l.Flush()
	}
	keys := archivetest.JournalKeys(memory)
	if len(keys) != 2 {
		t.Fatalf("got objects %q, want one of each", keys)
	}
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	second.TakeOver("r-1")
	for n := range lives {
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(n), "main"))), lines)
	}
	if got := lives[1].Journal.Stats().Collisions; got != 1 {
		t.Errorf("got %d collisions, want 1", got)
	}
	a, _ := memory.Bytes(keys[0])
	b, _ := memory.Bytes(keys[1])
	return len(a) == len(b)
}

// TestTakeOverStillsFollowers: whoever writes a pod's logs is told before something is put into its place, and only
// then.
func TestTakeOverStillsFollowers(t *testing.T) {
	memory := archivetest.NewJournalStore(t)
	first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range 2 {
		first.Write(archivetest.PodNumber(n), "main", archivetest.ManyLines(10, 45))
	}
	first.Flush()
	second := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	for round, want := range []int{2, 0} { // the second time the spool holds both
		var stilled []archive.PodUID
		_, err := second.Journal.TakeOver(t.Context(), []string{"r-1"}, archivetest.EveryPod, func(p archive.PodRef) {
			stilled = append(stilled, p.PodUID)
			if logs := second.Spool.Logs(p.PodUID); len(logs) > 0 {
				t.Errorf("%s is told when %v was put into the spool already", p.PodUID, logs[0].Instance())
			}
		})
		if err != nil || len(stilled) != want {
			t.Errorf("round %d: told of %v, %v; want %d pods", round, stilled, err, want)
		}
	}
}

// TestTakeOverOfWhatMoves: the replica lives, and what an object held stands in a newer one when it is asked for.
func TestTakeOverOfWhatMoves(t *testing.T) {
	lines := archivetest.LongLines(100, 46)
	for skip := range 2 { // as its index is read, then its frames
		memory := archivetest.NewJournalStore(t)
		store := &storetest.Faulty{Store: memory}
		first := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0)
		first.Write(archivetest.PodNumber(1), "main", lines)
		first.Flush()
		key := archivetest.JournalKeys(memory)[0]
		store.Break(storetest.Fault{Op: storetest.OpGet, Key: string(key), Skip: skip,
			Effect: func(ctx context.Context, _ *storetest.Call, through func(context.Context) error) error {
				whole, _ := memory.Bytes(key)
				archivetest.PutBytes(t, memory, key+"0", whole) // a newer one: its number is longer
				if err := memory.Delete(ctx, key); err != nil {
					t.Error(err)
				}
				return through(ctx)
			}})
		second := archivetest.NewLife(t, "r-2", t.TempDir(), store, 0)
		second.TakeOver("r-1")
		store.VerifyAllFired(t)
		linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, second.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))), lines)
	}
}
