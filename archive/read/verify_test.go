package read_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestVerifyWhole: an archive without damage is told to be so, record by record, up to its last byte; a log object that
// is gone is not.
func TestVerifyWhole(t *testing.T) {
	s := archivetest.ShelfOfJobs(t)
	size, records := int64(0), 0
	for _, key := range s.Store.Keys() {
		if strings.HasSuffix(string(key), ".log.zst") && !strings.Contains(string(key), "run-b2") {
			b, _ := s.Store.Bytes(key)
			size += int64(len(b))
			records++
		}
	}
	var last read.Checked
	checked := 0
	for c, err := range s.Remote().Verify(t.Context(), nil) {
		if err != nil || c.Err != nil {
			t.Fatalf("Verify: %+v, %v", c, err)
		}
		if last = c; c.Record != nil {
			checked++
		}
	}
	if checked != records || last.Done != size {
		t.Errorf("%d logs of %d bytes were checked, want %d of %d", checked, last.Done, records, size)
	}
	for range s.Remote().Verify(t.Context(), nil) {
		break // whoever stops is left alone
	}
	build := archive.Target{Namespace: "ns", Job: "build"}
	r := read.New(find.Config{Codec: archivetest.OneCodec, Store: without(t, s.Store, "build-x1")})
	var lost error
	for c, err := range r.Verify(t.Context(), &build) {
		if err != nil {
			t.Fatal(err)
		}
		lost = c.Err
	}
	if !errors.Is(lost, archive.ErrNotFound) {
		t.Errorf("Verify without the log object: %v, want ErrNotFound", lost)
	}
	for _, err := range r.Verify(t.Context(), &archive.Target{Namespace: "ns", Job: "nobody"}) {
		if !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("Verify of nobody: %v, want ErrNotFound", err)
		}
	}
}

// without gives a store that lacks the log objects of a pod.
func without(t *testing.T, from *storetest.Memory, pod string) *storetest.Memory {
	t.Helper()
	to := copyOf(t, from, func(_ archive.Key, b []byte) []byte { return b })
	for _, key := range to.Keys() {
		if strings.Contains(string(key), pod) && strings.HasSuffix(string(key), ".log.zst") {
			if err := to.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	return to
}
