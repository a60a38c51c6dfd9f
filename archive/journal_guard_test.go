package archive_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestCollectKeepsWhatWasHandedOver: a pod that has left the spool is not sealed for that. Its new owner may die before he has
// journaled it.
func TestCollectKeepsWhatWasHandedOver(t *testing.T) {
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	lines := manyLines(100, 40)
	first.write(podNumber(1), "main", lines)
	first.flush()
	if err := first.spool.Drop(podNumber(1).PodUID); err != nil {
		t.Fatal(err)
	}
	if err := first.journal.Collect(t.Context(), nobody); err != nil {
		t.Fatal(err)
	}
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.takeOver("r-1")
	sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(1), "main"))), lines)
}

// TestCollectAwaitsEveryPod: an object stays for the one of its many pods that is not sealed.
func TestCollectAwaitsEveryPod(t *testing.T) {
	memory := journalMemory(t)
	const pods = 20 // more than are remembered of an object
	dead := newLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range pods {
		dead.write(podNumber(n), "main", manyLines(3, 41))
	}
	dead.flush()
	last := podNumber(9) // in the order of UIDs
	other := newLife(t, "r-2", t.TempDir(), memory, 0)
	for n := range pods {
		if podNumber(n) == last {
			continue
		}
		other.write(podNumber(n), "main", manyLines(3, 41))
		if err := other.sealPod(t.Context(), podNumber(n)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := other.journal.Collect(t.Context(), everyone); err != nil {
			t.Fatal(err)
		}
	}
	other.takeOver("r-1")
	sameLines(t, held(t, openLog(t, other.spool, logOfPod(last, "main"))), manyLines(3, 41))
	if err := other.sealPod(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	other.collectToNothing(memory)
}

// TestCollectLeavesDamageForALook: an object that cannot be read stays as long as its replica has another one that is needed.
func TestCollectLeavesDamageForALook(t *testing.T) {
	memory := journalMemory(t)
	dead := newLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range 2 {
		dead.write(podNumber(n), "main", manyLines(3, 42))
		dead.flush()
	}
	keys := journalKeys(memory)
	put(t, memory, keys[0], []byte("no journal object at all"))
	other := newLife(t, "r-2", t.TempDir(), memory, 0)
	if err := other.journal.Collect(t.Context(), everyone); err != nil {
		t.Fatal(err)
	}
	if got := journalKeys(memory); len(got) != len(keys) {
		t.Errorf("got %q, want %q: the second is needed", got, keys)
	}
	other.takeOver("r-1")
	if err := other.sealPod(t.Context(), podNumber(1)); err != nil {
		t.Fatal(err)
	}
	other.collectToNothing(memory)
}

// TestTwoProcessesOfOneName write objects under one key. Each finds out that the other's is not his, be it of the same size.
func TestTwoProcessesOfOneName(t *testing.T) {
	warmCodec(t)
	for range 500 { // an object's size depends on a random name in it
		same := false
		synctest.Test(t, func(t *testing.T) { same = twoOfOneName(t) }) // at one moment, from which a journal's first key comes
		if same {
			return
		}
	}
	t.Error("no two objects had the same size: the test has shown nothing")
}

func twoOfOneName(t *testing.T) (sameSize bool) {
	memory := journalMemory(t)
	lines := manyLines(1, 43)
	lives := []*life{newLife(t, "r-1", t.TempDir(), memory, 0), newLife(t, "r-1", t.TempDir(), memory, 0)}
	for _, l := range lives {
		l.flush() // both look for the next key while there is none
	}
	for n, l := range lives {
		l.write(podNumber(n), "main", lines)
		l.flush()
	}
	keys := journalKeys(memory)
	if len(keys) != 2 {
		t.Fatalf("got objects %q, want one of each", keys)
	}
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	second.takeOver("r-1")
	for n := range lives {
		sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(n), "main"))), lines)
	}
	if got := lives[1].journal.Stats().Collisions; got != 1 {
		t.Errorf("got %d collisions, want 1", got)
	}
	a, _ := memory.Bytes(keys[0])
	b, _ := memory.Bytes(keys[1])
	return len(a) == len(b)
}

// TestTakeOverStillsFollowers: whoever writes a pod's logs is told before something is put into its place, and only then.
func TestTakeOverStillsFollowers(t *testing.T) {
	memory := journalMemory(t)
	first := newLife(t, "r-1", t.TempDir(), memory, 0)
	for n := range 2 {
		first.write(podNumber(n), "main", manyLines(10, 45))
	}
	first.flush()
	second := newLife(t, "r-2", t.TempDir(), memory, 0)
	for round, want := range []int{2, 0} { // the second time the spool holds both
		var stilled []archive.PodUID
		_, err := second.journal.TakeOver(t.Context(), []string{"r-1"}, all, func(p archive.PodRef) {
			stilled = append(stilled, p.PodUID)
			if logs := second.spool.Logs(p.PodUID); len(logs) > 0 {
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
	lines := longLines(100, 46)
	for skip := range 2 { // as its index is read, then its frames
		memory := journalMemory(t)
		store := &storetest.Faulty{Store: memory}
		first := newLife(t, "r-1", t.TempDir(), memory, 0)
		first.write(podNumber(1), "main", lines)
		first.flush()
		key := journalKeys(memory)[0]
		store.Break(storetest.Fault{Op: storetest.OpGet, Key: string(key), Skip: skip,
			Effect: func(ctx context.Context, _ *storetest.Call, through func(context.Context) error) error {
				whole, _ := memory.Bytes(key)
				put(t, memory, key+"0", whole) // a newer one: its number is longer
				if err := memory.Delete(ctx, key); err != nil {
					t.Error(err)
				}
				return through(ctx)
			}})
		second := newLife(t, "r-2", t.TempDir(), store, 0)
		second.takeOver("r-1")
		store.VerifyAllFired(t)
		sameLines(t, held(t, openLog(t, second.spool, logOfPod(podNumber(1), "main"))), lines)
	}
}
