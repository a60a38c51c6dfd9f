package storetest

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

func testRanges(t *testing.T, s archive.Store) {
	put(t, s, "v1/r/ten", []byte("0123456789"))
	put(t, s, "v1/r/one", []byte("x"))
	put(t, s, "v1/r/empty", nil)
	tests := []struct {
		name string
		key  archive.Key
		r    archive.Range
		want string
	}{
		{"whole", "v1/r/ten", archive.Range{}, "0123456789"},
		{"first byte", "v1/r/ten", archive.Range{Length: 1}, "0"},
		{"first bytes", "v1/r/ten", archive.Range{Length: 4}, "0123"},
		{"middle", "v1/r/ten", archive.Range{Offset: 3, Length: 4}, "3456"},
		{"from the middle on", "v1/r/ten", archive.Range{Offset: 3}, "3456789"},
		{"last byte by offset", "v1/r/ten", archive.Range{Offset: 9}, "9"},
		{"to the exact end", "v1/r/ten", archive.Range{Offset: 6, Length: 4}, "6789"},
		{"over the end", "v1/r/ten", archive.Range{Offset: 6, Length: 5}, "6789"},
		{"far over the end", "v1/r/ten", archive.Range{Offset: 6, Length: math.MaxInt64}, "6789"},
		{"exact whole", "v1/r/ten", archive.Range{Length: 10}, "0123456789"},
		{"more than whole", "v1/r/ten", archive.Range{Length: 11}, "0123456789"},
		{"from the end on", "v1/r/ten", archive.Range{Offset: 10}, ""},
		{"from the end on, a length", "v1/r/ten", archive.Range{Offset: 10, Length: 3}, ""},
		{"past the end", "v1/r/ten", archive.Range{Offset: 11, Length: 1}, ""},
		{"far past the end", "v1/r/ten", archive.Range{Offset: math.MaxInt64, Length: math.MaxInt64}, ""},
		{"suffix", "v1/r/ten", archive.Range{Offset: -4}, "6789"},
		{"suffix, one byte", "v1/r/ten", archive.Range{Offset: -1}, "9"},
		{"suffix, whole", "v1/r/ten", archive.Range{Offset: -10}, "0123456789"},
		{"suffix, more than whole", "v1/r/ten", archive.Range{Offset: -11}, "0123456789"},
		{"suffix, far more than whole", "v1/r/ten", archive.Range{Offset: math.MinInt64}, "0123456789"},
		{"suffix, cut", "v1/r/ten", archive.Range{Offset: -4, Length: 2}, "67"},
		{"suffix, cut past the end", "v1/r/ten", archive.Range{Offset: -4, Length: 9}, "6789"},
		{"suffix, more than whole, cut", "v1/r/ten", archive.Range{Offset: -99, Length: 3}, "012"},
		{"one byte, suffix", "v1/r/one", archive.Range{Offset: -100}, "x"},
		{"one byte, past", "v1/r/one", archive.Range{Offset: 1}, ""},
		{"empty, whole", "v1/r/empty", archive.Range{}, ""},
		{"empty, prefix", "v1/r/empty", archive.Range{Length: 5}, ""},
		{"empty, past", "v1/r/empty", archive.Range{Offset: 5}, ""},
		{"empty, suffix", "v1/r/empty", archive.Range{Offset: -5}, ""},
	}
	size := map[archive.Key]int64{"v1/r/ten": 10, "v1/r/one": 1}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, obj, err := get(t.Context(), s, tt.key, tt.r)
			if err != nil {
				t.Fatalf("Get(%+v) = %v, want nil", tt.r, err)
			}
			if string(got) != tt.want {
				t.Errorf("Get(%+v) gave %q, want %q", tt.r, got, tt.want)
			}
			if want := (archive.Object{Key: tt.key, Size: size[tt.key]}); obj != want {
				t.Errorf("Get(%+v) gave object %+v, want %+v", tt.r, obj, want)
			}
		})
	}
	if _, _, err := get(t.Context(), s, "v1/r/ten", archive.Range{Length: -1}); err == nil {
		t.Errorf("Get(Length: -1) = nil, want an error")
	}
}

func testRangeAbsent(t *testing.T, s archive.Store) {
	put(t, s, "v1/r/near", []byte("near"))
	for _, key := range []archive.Key{"v1/r/nea", "v1/r/nearer", "v1/r", "v1", "other/folder/key"} {
		for _, r := range []archive.Range{{}, {Length: 3}, {Offset: 7}, {Offset: -5}} {
			if _, _, err := get(t.Context(), s, key, r); !errors.Is(err, archive.ErrNotFound) {
				t.Errorf("Get(%q, %+v) = %v, want ErrNotFound", key, r, err)
			}
		}
	}
}

func testLargeBody(t *testing.T, s archive.Store) {
	const key = "v1/large.log.zst"
	want := pattern(20<<20 + 17)
	put(t, s, key, want)
	wantObject(t, s, key, want)
	for _, r := range []archive.Range{{Offset: 8<<20 - 5, Length: 10}, {Offset: -100}, {Offset: 16<<20 - 1, Length: 2}} {
		got, _, err := get(t.Context(), s, key, r)
		if err != nil {
			t.Fatalf("Get(%+v) = %v, want nil", r, err)
		}
		start, n := r.Cut(int64(len(want)))
		if !bytes.Equal(got, want[start:start+n]) {
			t.Errorf("Get(%+v) gave %d bytes that differ, want %d bytes from %d on", r, len(got), n, start)
		}
	}
	put(t, s, key, want[:9<<20])
	wantObject(t, s, key, want[:9<<20])
}
