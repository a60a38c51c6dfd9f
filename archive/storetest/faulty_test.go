package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestFaultyConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) archive.Store { return &storetest.Faulty{Store: storetest.NewMemory(nil)} })
}

func putString(ctx context.Context, s archive.Store, key archive.Key, body string) error {
	return s.Put(ctx, key, strings.NewReader(body), archive.PutOptions{})
}

func TestFaultyPut(t *testing.T) {
	errOwn := errors.New("own")
	tests := []struct {
		name   string
		effect storetest.Effect
		err    error
		stored bool
	}{
		{"default", nil, storetest.ErrFault, false},
		{"not stored", storetest.NotStored(errOwn), errOwn, false},
		{"stored", storetest.Stored(errOwn), errOwn, true},
		{"before", storetest.Before(func() {}), nil, true},
		{"after", storetest.After(func() {}), nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := storetest.NewMemory(t)
			s := &storetest.Faulty{Store: m}
			s.Break(storetest.Fault{Op: storetest.OpPut, Effect: tt.effect})
			if err := putString(t.Context(), s, "v1/a", "x"); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if _, got := m.Bytes("v1/a"); got != tt.stored {
				t.Errorf("got stored %t, want %t", got, tt.stored)
			}
			if err := putString(t.Context(), s, "v1/b", "x"); err != nil {
				t.Errorf("the call after the fault: got %v, want nil", err)
			}
			s.VerifyAllFired(t)
		})
	}
}

func TestFaultyCrash(t *testing.T) {
	for name, stored := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			ctx, crash := context.WithCancel(t.Context())
			effect := storetest.Before(crash)
			if stored {
				effect = storetest.After(crash)
			}
			m := storetest.NewMemory(t)
			s := &storetest.Faulty{Store: m}
			s.Break(storetest.Fault{Op: storetest.OpPut, Effect: effect})
			if err := putString(ctx, s, "v1/a", "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			if _, got := m.Bytes("v1/a"); got != stored {
				t.Errorf("got stored %t, want %t", got, stored)
			}
		})
	}
}

func TestFaultyPicks(t *testing.T) {
	tests := []struct {
		name  string
		fault storetest.Fault
		want  string // one letter for each of the six puts: . passes, x is broken
	}{
		{"any", storetest.Fault{}, "x....."},
		{"exact", storetest.Fault{Key: "v1/b/c"}, "..x..."},
		{"exact is no prefix", storetest.Fault{Key: "v1/b"}, "......"},
		{"prefix", storetest.Fault{Key: "v1/b/*"}, "..x..."},
		{"suffix", storetest.Fault{Key: "*.zst", Times: -1}, "....x."},
		{"middle", storetest.Fault{Key: "v1/*/*.zst"}, "....x."},
		{"skip", storetest.Fault{Skip: 2}, "..x..."},
		{"times", storetest.Fault{Skip: 1, Times: 3}, ".xxx.."},
		{"for ever", storetest.Fault{Skip: 3, Times: -1}, "...xxx"},
		{"other method", storetest.Fault{Op: storetest.OpGet}, "......"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &storetest.Faulty{Store: storetest.NewMemory(t)}
			if tt.fault.Op == "" {
				tt.fault.Op = storetest.OpPut
			}
			s.Break(tt.fault)
			got := ""
			for _, key := range []archive.Key{"v1/a", "v1/a", "v1/b/c", "v1/d", "v1/d2/e.zst", "v1/f"} {
				got += map[bool]string{true: ".", false: "x"}[putString(t.Context(), s, key, "x") == nil]
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			var silent reports
			s.VerifyAllFired(&silent)
			if got, want := len(silent) == 0, strings.Contains(tt.want, "x"); got != want {
				t.Errorf("VerifyAllFired: got content %t (%q), want %t", got, silent, want)
			}
		})
	}
}

func TestFaultyQueue(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	s := &storetest.Faulty{Store: storetest.NewMemory(t)}
	s.Break(
		storetest.Fault{Op: storetest.OpDelete, Effect: storetest.NotStored(first)},
		storetest.Fault{Op: storetest.OpDelete, Key: "*/b", Effect: storetest.NotStored(second)},
	)
	for _, want := range []error{first, second, nil} {
		if got := s.Delete(t.Context(), "v1/a", "v1/b"); !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	s.VerifyAllFired(t)
}

func TestFaultyList(t *testing.T) {
	tests := []struct {
		name    string
		effect  storetest.Effect
		objects int
	}{
		{"before the first", storetest.NotStored(nil), 0},
		{"after the last", storetest.Stored(nil), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &storetest.Faulty{Store: storetest.NewMemory(t)}
			for _, key := range []archive.Key{"v1/a", "v1/b"} {
				if err := putString(t.Context(), s, key, "x"); err != nil {
					t.Fatal(err)
				}
			}
			s.Break(storetest.Fault{Op: storetest.OpList, Key: "v1/", Effect: tt.effect})
			objects, last := 0, error(nil)
			for _, err := range s.List(t.Context(), "v1/", "") {
				if last = err; err == nil {
					objects++
				}
			}
			if objects != tt.objects || !errors.Is(last, storetest.ErrFault) {
				t.Errorf("got %d objects and %v, want %d and ErrFault", objects, last, tt.objects)
			}
		})
	}
}

func TestFaultyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storetest.Faulty{Store: storetest.NewMemory(t)}
		s.Break(
			storetest.Fault{Op: storetest.OpPut, Effect: storetest.BlackHole()},
			storetest.Fault{Op: storetest.OpPut, Effect: storetest.Slow(100)},
			storetest.Fault{Op: storetest.OpGet, Effect: storetest.Slow(500)},
		)
		start := time.Now()
		wantElapsed := func(step string, want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("%s: got %s since the start, want %s", step, got, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := putString(ctx, s, "v1/a", "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("black hole: got %v, want context.DeadlineExceeded", err)
		}
		wantElapsed("black hole", time.Minute)
		if err := putString(t.Context(), s, "v1/a", strings.Repeat("x", 1000)); err != nil {
			t.Errorf("slow put: got %v, want nil", err)
		}
		wantElapsed("slow put", time.Minute+10*time.Second)
		body, _, err := s.Get(t.Context(), "v1/a", archive.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, body); n != 1000 || err != nil {
			t.Errorf("slow get: got %d bytes and %v, want 1000 and nil", n, err)
		}
		wantElapsed("slow get", time.Minute+12*time.Second)
		s.VerifyAllFired(t)
	})
}

func TestFaultyHoldAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := storetest.NewMemory(t)
		s := &storetest.Faulty{Store: m}
		release := make(chan struct{})
		s.Break(
			storetest.Fault{Op: storetest.OpPut, Effect: storetest.HoldUntil(release)},
			storetest.Fault{Op: storetest.OpGet, Effect: storetest.BreakBody(4, nil)},
		)
		go func() { _ = putString(t.Context(), s, "v1/a", "0123456789") }()
		synctest.Wait()
		if _, got := m.Bytes("v1/a"); got {
			t.Errorf("held put: got it stored, want it held")
		}
		close(release)
		synctest.Wait()
		body, _, err := s.Get(t.Context(), "v1/a", archive.Range{})
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := io.Copy(&got, body); !errors.Is(err, storetest.ErrFault) || got.String() != "0123" {
			t.Errorf("broken body: got %q and %v, want 0123 and ErrFault", got.String(), err)
		}
		for op, want := range map[storetest.Op]storetest.Count{
			storetest.OpPut: {Requests: 1, Bytes: 10}, storetest.OpGet: {Requests: 1, Bytes: 4}, storetest.OpDelete: {},
		} {
			if got := s.Count(op); got != want {
				t.Errorf("Count(%s) = %+v, want %+v", op, got, want)
			}
		}
		s.VerifyAllFired(t)
	})
}
