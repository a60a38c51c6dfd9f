package bounded

import (
	"sync"
)

// Cache holds what was read from the store, as long as there is room for it. Safe for concurrent use.
//
// What goes where room is needed is any entry. A list asks for the same Jobs in the same order again, so that to drop
// the one that was asked for longest ago would always drop the one that is asked for next.
type Cache[K comparable, V any] struct {
	most int // bytes of all entries

	mu      sync.Mutex
	entries map[K]weighed[V] // guarded by mu
	bytes   int              // guarded by mu
}

type weighed[V any] struct {
	value V
	bytes int
}

// New makes a cache for so many bytes, as Put is told of them.
func New[K comparable, V any](most int) *Cache[K, V] {
	return &Cache[K, V]{most: most, entries: map[K]weighed[V]{}}
}

// Get returns the value of a key; ok is false where the cache does not have it, or no longer. Several callers may get
// the same value: none may change it.
func (b *Cache[K, V]) Get(key K) (value V, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	return e.value, ok
}

// Put takes in a value, unless it alone is a sixteenth of all that there is room for: few such would leave none for the
// rest.
func (b *Cache[K, V]) Put(key K, value V, bytes int) {
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

// Sweep drops what is not kept.
func (b *Cache[K, V]) Sweep(keep func(K, V) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		if !keep(key, e.value) {
			b.forget(key)
		}
	}
}

// Drop forgets a key, for what has been found to be wrong or gone. A key that is not there is none.
func (b *Cache[K, V]) Drop(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(key)
}

// forget needs mu held.
func (b *Cache[K, V]) forget(key K) {
	b.bytes -= b.entries[key].bytes
	delete(b.entries, key)
}
