package patient_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/patient"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestStoreReadsOn has a store break off in the middle of an object, again and again: whoever reads gets each byte
// once, and learns nothing of it.
func TestStoreReadsOn(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789"), 1000)
	early := func(ctx context.Context, c *storetest.Call, through func(context.Context) error) error {
		err := through(ctx)
		if err == nil {
			c.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(c.Body, 10), c.Body}
		}
		return err
	}
	tests := []struct {
		name   string
		effect storetest.Effect
	}{
		{"before the first byte", storetest.BreakBody(0, nil)},
		{"within", storetest.BreakBody(4321, nil)},
		{"at the end", storetest.BreakBody(9000, nil)},
		{"ends early", early},
		{"refuses", storetest.NotStored(nil)},
	}
	ranges := []archive.Range{{}, {Offset: 1000}, {Offset: 500, Length: 9000}, {Offset: -9000}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := storetest.NewMemory(t)
				archivetest.PutBytes(t, memory, "v1/a", want)
				for _, r := range ranges {
					faulty := &storetest.Faulty{Store: memory}
					faulty.Break(storetest.Fault{Op: storetest.OpGet, Times: 3, Effect: tt.effect})
					failed := 0
					store := patient.New(faulty, archivetest.QuietLogger(), func(error) { failed++ })
					body, _, err := store.Get(t.Context(), "v1/a", r)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(body)
					start, n := r.Cut(int64(len(want)))
					if err != nil || !bytes.Equal(got, want[start:start+n]) || body.Close() != nil {
						t.Errorf("%+v: got %d bytes, %v, want the %d of the range", r, len(got), err, n)
					}
					if failed != 3 {
						t.Errorf("%+v: %d tries counted as failed, want 3", r, failed)
					}
					faulty.VerifyAllFired(t)
				}
			})
		})
	}
}

// TestStoreListsOn has a store break off in the middle of a list: each object is given once, in order.
func TestStoreListsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects = 2000 // two requests of 1000, and one that finds no more
		memory := storetest.NewMemory(t)
		for n := range objects {
			archivetest.PutBytes(t, memory, archive.JournalKey("r", int64(n)), []byte{1})
		}
		faulty := &storetest.Faulty{Store: memory}
		faulty.Break(storetest.Fault{Op: storetest.OpList}, storetest.Fault{Op: storetest.OpList, Skip: 1})
		store := patient.New(faulty, archivetest.QuietLogger(), func(error) {})
		n := 0
		for object, err := range store.List(t.Context(), archive.JournalPrefix, "") {
			if err != nil || object.Key != archive.JournalKey("r", int64(n)) {
				t.Fatalf("object %d is %s, %v", n, object.Key, err)
			}
			n++
		}
		if got := faulty.Count(storetest.OpList).Requests; n != objects || got != 5 {
			t.Errorf("got %d objects in %d requests, want %d in 5", n, got, objects)
		}
		faulty.VerifyAllFired(t)
	})
}
