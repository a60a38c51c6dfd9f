package room

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestAllowance: what answers hold is refused where others hold the rest, an only answer is given whatever it takes,
// and what is given back is there again.
func TestAllowance(t *testing.T) {
	a := NewAllowance(64 << 20)
	first, second := a.Room(), a.Room()
	reserve := func(r *Room, bytes int64, want error) {
		t.Helper()
		if err := r.Reserve(bytes); !errors.Is(err, want) {
			t.Fatalf("reserve %d: got %v, want %v", bytes, err, want)
		}
	}
	reserve(first, 100<<20, nil)
	reserve(first, 1, nil)
	reserve(second, 1, ErrNoRoom)
	first.Close()
	first.Close()
	reserve(second, 30<<20, nil)
	reserve(first, 6<<20, nil)
	reserve(first, 1, ErrNoRoom)
	reserve(second, 1, ErrNoRoom)
	first.Close()
	reserve(second, 1, nil)
	second.Close()
	if a.reserved != 0 {
		t.Errorf("got %d bytes reserved, want none", a.reserved)
	}
}

// TestAllowanceOfFrames: they are waited for; who leaves waits no more; and what is larger than all that there is has
// all of it.
func TestAllowanceOfFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAllowance(64 << 20)
		r := a.Room()
		back, err := r.Frame(t.Context(), 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := r.TryFrame(1); ok {
			t.Error("got room to read ahead beside the largest frame, want none")
		}
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := r.Frame(ctx, 1)
			left <- err
		}()
		had := make(chan error, 1)
		go func() {
			back, err := r.Frame(t.Context(), 1)
			if err == nil {
				back()
			}
			had <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v, want %v", err, context.Canceled)
		}
		select {
		case err := <-had:
			t.Errorf("got %v while all is taken, want to wait", err)
		default:
		}
		back()
		if err := <-had; err != nil {
			t.Errorf("got %v once there is room, want none", err)
		}
	})
}

// TestNoRoomBoundsNothing: a program that reads for itself has no allowance.
func TestNoRoomBoundsNothing(t *testing.T) {
	r := Of(t.Context())
	defer r.Close()
	if err := r.Reserve(1 << 50); err != nil {
		t.Errorf("reserve: got %v", err)
	}
	for range 2 {
		if _, err := r.Frame(t.Context(), 1<<50); err != nil {
			t.Errorf("frame: got %v", err)
		}
		if _, ok := r.TryFrame(1 << 50); !ok {
			t.Error("no room to read ahead")
		}
	}
	for range 2 * mostFinds {
		if _, err := r.Find(t.Context()); err != nil {
			t.Errorf("find: got %v", err)
		}
	}
}
