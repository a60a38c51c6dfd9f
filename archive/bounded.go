package archive

import "sync"

// bounded holds what was read from the store, as long as there is room for it. Safe for concurrent use.
//
// What goes where room is needed is any entry. A list asks for the same Jobs in the same order again, so that to drop the
// one that was asked for longest ago would always drop the one that is asked for next.
type bounded[K comparable, V any] struct {
	most int // bytes of all entries

	mu      sync.Mutex
	entries map[K]weighed[V] // guarded by mu
	bytes   int              // guarded by mu
}

type weighed[V any] struct {
	value V
	bytes int
}

func newBounded[K comparable, V any](most int) *bounded[K, V] {
	return &bounded[K, V]{most: most, entries: map[K]weighed[V]{}}
}

func (b *bounded[K, V]) get(key K) (value V, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	return e.value, ok
}

// put takes in a value, unless it alone is a sixteenth of all that there is room for: few such would leave none for the rest.
func (b *bounded[K, V]) put(key K, value V, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(key)
	if bytes > b.most/16 {
		return
	}
	for other := range b.entries {
		if b.bytes+bytes <= b.most {
			break
		}
		b.forget(other)
	}
	b.entries[key] = weighed[V]{value, bytes}
	b.bytes += bytes
}

// sweep drops what is not kept.
func (b *bounded[K, V]) sweep(keep func(V) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		if !keep(e.value) {
			b.forget(key)
		}
	}
}

func (b *bounded[K, V]) drop(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(key)
}

// forget needs mu held.
func (b *bounded[K, V]) forget(key K) {
	b.bytes -= b.entries[key].bytes
	delete(b.entries, key)
}
