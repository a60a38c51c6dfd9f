package disk

import (
	"context"
	"fmt"
)

// Room waits until a tenth of the limit is free, and what was last refused has room, on the disk, too. It returns the
// context's error when that ends first.
func (d *Disk) Room(ctx context.Context) error {
	for {
		d.mu.Lock()
		freed := d.freed
		d.mu.Unlock()
		want := min(max(d.limit/10, d.refused.Load()), d.limit)
		if d.used.Load()+want <= d.limit && !d.full.Load() {
			d.refused.Store(0)
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Reserve takes n bytes of the limit, or returns ErrFull. On a disk that is full nothing is there.
func (d *Disk) Reserve(n int64) error {
	if d.full.Load() {
		return fmt.Errorf("%d bytes on a disk without room: %w", n, ErrFull)
	}
	for {
		used := d.used.Load()
		if used+n > d.limit {
			d.refused.Store(max(n, d.refused.Load())) // of two at once one may win; Room is then early, and asked again
			return fmt.Errorf("%d bytes for %d of %d: %w", n, used, d.limit, ErrFull)
		}
		if d.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// Exceed takes n bytes also where they are over the limit.
func (d *Disk) Exceed(n int64) error {
	d.used.Add(n)
	return nil
}

// Grow changes the bytes on disk without asking, and wakes those who wait for room where they became less.
func (d *Disk) Grow(n int64) {
	d.used.Add(n)
	if n < 0 {
		d.wake()
	}
}

// wake makes whoever waits for room look again.
func (d *Disk) wake() {
	d.mu.Lock()
	close(d.freed)
	d.freed = make(chan struct{})
	d.mu.Unlock()
}
