package bounded

import (
	"testing"
)

// TestBounded: however much is put, what is held stays within the bound, and the newest is among it.
func TestBounded(t *testing.T) {
	const most = 16_000
	b := New[int, string](most)
	held := func() (bytes int) {
		for _, e := range b.entries {
			bytes += e.bytes
		}
		return bytes
	}
	for n := range 10_000 {
		size := 1 + n*37%1000
		b.Put(n%5000, "value", size)
		if _, ok := b.Get(n % 5000); !ok {
			t.Fatalf("entry %d of %d bytes is not held", n, size)
		}
		if b.bytes > most || b.bytes != held() {
			t.Fatalf("after %d entries %d bytes are counted and %d held, want the same and %d at most", n+1, b.bytes, held(), most)
		}
	}
	if b.bytes < most-1000 {
		t.Errorf("%d bytes are held of so many more, want nearly %d", b.bytes, most)
	}
	b.Put(1, "too much", most/16+1)
	if _, ok := b.Get(1); ok || b.bytes != held() {
		t.Errorf("a value of a sixteenth of all is held: %v; %d bytes are counted and %d held", ok, b.bytes, held())
	}
	b.Drop(2)
	if _, ok := b.Get(2); ok || b.bytes != held() {
		t.Errorf("a dropped value is held: %v; %d bytes are counted and %d held", ok, b.bytes, held())
	}
}
