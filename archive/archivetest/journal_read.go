package archivetest

import (
	"bytes"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// CopyDamaged copies a store and changes one object.
func CopyDamaged(t *testing.T, memory *storetest.Memory, key archive.Key, change func([]byte)) *storetest.Memory {
	t.Helper()
	copied := storetest.NewMemory(t)
	for _, k := range memory.Keys() {
		b, _ := memory.Bytes(k)
		if k == key {
			change(b)
		}
		if err := copied.Put(t.Context(), k, bytes.NewReader(b), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}
