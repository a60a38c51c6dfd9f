package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func testList(t *testing.T, s archive.Store) {
	wantKeys(t, s, "", "", nil)
	wantKeys(t, s, "v1/", "", nil)
	for _, key := range []archive.Key{"v1/a/1", "v1/a/2", "v1/ab/1", "v1/b", "v2/a"} {
		put(t, s, key, []byte(key))
	}
	tests := []struct {
		name, prefix string
		after        archive.Key
		want         []archive.Key
	}{
		{"all", "", "", []archive.Key{"v1/a/1", "v1/a/2", "v1/ab/1", "v1/b", "v2/a"}},
		{"a folder", "v1/a/", "", []archive.Key{"v1/a/1", "v1/a/2"}},
		{"not at a slash", "v1/a", "", []archive.Key{"v1/a/1", "v1/a/2", "v1/ab/1"}},
		{"one key", "v1/b", "", []archive.Key{"v1/b"}},
		{"a key is no folder", "v1/b/", "", nil},
		{"longer than any key", "v1/a/11", "", nil},
		{"after a key", "v1/", "v1/a/1", []archive.Key{"v1/a/2", "v1/ab/1", "v1/b"}},
		{"after what is not a key", "v1/", "v1/a/", []archive.Key{"v1/a/1", "v1/a/2", "v1/ab/1", "v1/b"}},
		{"after a folder", "v1/", "v1/a0", []archive.Key{"v1/ab/1", "v1/b"}},
		{"after the last", "v1/", "v1/b", nil},
		{"after is before the prefix", "v1/b", "v1/a/2", []archive.Key{"v1/b"}},
		{"after is behind the prefix", "v1/a/", "v1/b", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantKeys(t, s, tt.prefix, tt.after, tt.want) })
	}
	put(t, s, "v1/b", []byte("of another size"))
	for obj, err := range s.List(t.Context(), "v1/b", "") {
		if want := (archive.Object{Key: "v1/b", Size: 15}); err != nil || obj != want {
			t.Errorf("List gave %+v, %v, want %+v, nil", obj, err, want)
		}
	}
}

// testListOrder has keys where the order of bytes is not the order of a walk through folders: '-' and '.' sort before
// '/', so "a-b" and "a.b" stand before everything in folder "a".
func testListOrder(t *testing.T, s archive.Store) {
	keys := []archive.Key{
		"o/a!", "o/a-b", "o/a-b.c/d", "o/a.b", "o/a.b-c/d", "o/a/b", "o/a/b.c", "o/a/b.d/e", "o/a/c/d/e/f", "o/a0", "o/a0b",
		"o/aa/a", "o/ab", "o/b-1/x", "o/b.1/x", "o/b/x", "o/b1/x", "o/B", "o/_x", "o/ä", "o/~", "o-/a", "o0",
	}
	for _, key := range keys {
		put(t, s, key, []byte("x"))
	}
	all := slices.Sorted(slices.Values(keys))
	wantKeys(t, s, "", "", all)
	for i, key := range all {
		wantKeys(t, s, "", key, all[i+1:])
	}
}

func testListMany(t *testing.T, s archive.Store) {
	const n = 2050 // more than two pages of 1000
	keys := make([]archive.Key, n)
	next := make(chan archive.Key)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range next {
				if err := s.Put(t.Context(), key, strings.NewReader("x"), archive.PutOptions{}); err != nil {
					t.Errorf("Put(%q) = %v, want nil", key, err)
				}
			}
		})
	}
	for i := range keys {
		keys[i] = archive.Key(fmt.Sprintf("v1/_journal/r%d/%05d", i%3, i))
		next <- keys[i]
	}
	close(next)
	wg.Wait()
	all := slices.Sorted(slices.Values(keys))
	wantKeys(t, s, "v1/_journal/", "", all)
	for _, i := range []int{0, 998, 999, 1000, 1001, n - 2, n - 1} {
		wantKeys(t, s, "v1/_journal/", all[i], all[i+1:])
	}
	if err := s.Delete(t.Context(), all[1:]...); err != nil {
		t.Fatalf("Delete(%d keys) = %v, want nil", n-1, err)
	}
	wantKeys(t, s, "", "", all[:1])
}

func testListBreak(t *testing.T, s archive.Store) {
	put(t, s, "v1/a", []byte("a"))
	put(t, s, "v1/b/c", []byte("b"))
	for range s.List(t.Context(), "", "") {
		break
	}
	wantKeys(t, s, "", "", []archive.Key{"v1/a", "v1/b/c"})
}

func testContextEnded(t *testing.T, s archive.Store) {
	put(t, s, "v1/a", []byte("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "v1/b", strings.NewReader("b"), archive.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if _, _, err := get(ctx, s, "v1/a", archive.Range{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %v, want context.Canceled", err)
	}
	if _, err := listKeys(ctx, s, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want context.Canceled", err)
	}
	if err := s.Delete(ctx, "v1/a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete = %v, want context.Canceled", err)
	}
}

func testContextWhileReading(t *testing.T, s archive.Store) {
	put(t, s, "v1/a", pattern(4<<20))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, _, err := s.Get(ctx, "v1/a", archive.Range{})
	if err != nil {
		t.Fatalf("Get = %v, want nil", err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatalf("Read = %v, want nil", err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		t.Errorf("Read after the context's end = %v, want context.Canceled", err)
	}
}

func testContextWhileListing(t *testing.T, s archive.Store) {
	for _, key := range []archive.Key{"v1/a", "v1/b/c", "v1/d"} {
		put(t, s, key, []byte("x"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range s.List(ctx, "", "") {
		if last != nil {
			t.Fatalf("List went on after the error %v, want its end", last)
		}
		last = err
		n++
		cancel()
	}
	if !errors.Is(last, context.Canceled) || n != 2 {
		t.Errorf("List gave %d things, the last with error %v, want 2 with context.Canceled", n, last)
	}
}

func listKeys(ctx context.Context, s archive.Store, prefix string, after archive.Key) ([]archive.Key, error) {
	var keys []archive.Key
	for obj, err := range s.List(ctx, prefix, after) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, obj.Key)
	}
	return keys, nil
}

func wantKeys(t *testing.T, s archive.Store, prefix string, after archive.Key, want []archive.Key) {
	t.Helper()
	got, err := listKeys(t.Context(), s, prefix, after)
	if err != nil {
		t.Fatalf("List(%q, %q) = %v, want nil", prefix, after, err)
	}
	if len(got) > 50 || len(want) > 50 {
		if !slices.Equal(got, want) {
			t.Errorf("List(%q, %q) gave %d keys that differ from the %d that are wanted", prefix, after, len(got), len(want))
		}
		return
	}
	if !slices.Equal(got, want) {
		t.Errorf("List(%q, %q):\n got %q\nwant %q", prefix, after, got, want)
	}
}
