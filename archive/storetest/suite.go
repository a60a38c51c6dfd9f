// Package storetest holds every archive.Store to the same promises, and gives tests of the archive a store to lean on.
//
// It owns three things. Run is the conformance suite: what archive/store.go promises, each promise a subtest. Memory is
// a strict store in memory: it fails the test where a caller breaks a rule of the archive (a sealed object changed, a
// deleted object read, an empty object put). Faulty is a wrapper around any store that breaks chosen calls, and fails
// the test when a fault that was set never fired. Memory and Faulty use nothing but mutexes, channels and timers, so
// they work inside a testing/synctest bubble. Nothing here survives a crash, nor has to.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// Run holds the stores that open gives to every promise of archive.Store. open is called once for each subtest and
// gives an empty store.
func Run(t *testing.T, open func(t *testing.T) archive.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, archive.Store)
	}{
		{"bodies come back", testBodies},
		{"keys of odd characters", testKeys},
		{"keys that XML has no letters for", testUnwritableKeys},
		{"long names", testLongNames},
		{"ranges", testRanges},
		{"range of an absent object", testRangeAbsent},
		{"replace", testReplace},
		{"if absent", testIfAbsent},
		{"if absent, large", testIfAbsentLarge},
		{"if absent, race", testIfAbsentRace},
		{"body is read from its start", testBodyFromStart},
		{"body is not closed", testBodyNotClosed},
		{"body that fails", testBodyFails},
		{"large body", testLargeBody},
		{"reader sees old or new", testReaderWhileReplaced},
		{"list", testList},
		{"list order", testListOrder},
		{"list many", testListMany},
		{"list stops when asked", testListBreak},
		{"delete", testDelete},
		{"retention", testRetention},
		{"context that has ended", testContextEnded},
		{"context that ends while reading", testContextWhileReading},
		{"context that ends while listing", testContextWhileListing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func testBodies(t *testing.T, s archive.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	tests := []struct {
		name string
		body []byte
	}{
		{"empty", nil},
		{"one byte", []byte{0}},
		{"every byte", every},
		{"newlines", []byte("\r\n\n\r\n")},
		{"looks like a chunk header", []byte("b;chunk-signature=00\r\nhello world\r\n0\r\n\r\n")},
		{"64 KiB", pattern(64 << 10)},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := archive.Key(fmt.Sprintf("v1/bodies/%d.log.zst", i))
			put(t, s, key, tt.body)
			wantObject(t, s, key, tt.body)
		})
	}
}

func testKeys(t *testing.T, s archive.Store) {
	keys := []archive.Key{
		"top",
		"v1/ns/job/uid/pod.uid/main.0.log.zst",
		"v1/ns/_pod/a.b.c.uid/manifest.json",
		"v1/odd/with space",
		"v1/odd/plus+plus",
		"v1/odd/per%cent",
		"v1/odd/per%2Fcent",
		"v1/odd/amp&equal=colon:at@comma,semi;",
		"v1/odd/$money!star*quote'paren()",
		"v1/odd/tilde~dash-under_score",
		"v1/odd/ünïcødé-日本語",
		"v1/odd/.hidden",
		"v1/odd/..twodots",
		"v1/odd/question?hash#",
		"v1/odd/<less>&quot;\"'",
		"v1/odd/accent-e\u0301", // beside the é that is one letter
		"v1/odd/accent-\u00e9",
		"v1/odd/delete\x7f",
		"v1/odd/tab\tline\nreturn\r",
		"v1/odd/UPPER",
		"v1/odd/upper",
	}
	for _, key := range keys {
		put(t, s, key, []byte("body of "+key))
	}
	for _, key := range keys {
		wantObject(t, s, key, []byte("body of "+key))
	}
	slices.Sort(keys)
	wantKeys(t, s, "", "", keys)
	for i, key := range keys {
		wantKeys(t, s, "", key, keys[i+1:])
	}
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Errorf("Delete(all of them) = %v, want nil", err)
	}
	wantKeys(t, s, "", "", nil)
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Fatalf("Delete(%d keys) = %v, want nil", len(keys), err)
	}
	wantKeys(t, s, "", "", nil)
}

func testReplace(t *testing.T, s archive.Store) {
	const key = "v1/replace"
	for _, body := range []string{"a first body", "second", "", "a third body that is longer than the others"} {
		put(t, s, key, []byte(body))
		wantObject(t, s, key, []byte(body))
	}
	wantKeys(t, s, "", "", []archive.Key{key})
}

func testIfAbsent(t *testing.T, s archive.Store) {
	const key = "v1/if-absent"
	once := archive.PutOptions{IfAbsent: true}
	if err := s.Put(t.Context(), key, strings.NewReader("first"), once); err != nil {
		t.Fatalf("Put(IfAbsent) of a free key = %v, want nil", err)
	}
	for _, body := range []string{"other", "first", ""} {
		if err := s.Put(t.Context(), key, strings.NewReader(body), once); !errors.Is(err, archive.ErrExists) {
			t.Errorf("Put(IfAbsent, %q) of a taken key = %v, want ErrExists", body, err)
		}
		wantObject(t, s, key, []byte("first"))
	}
	put(t, s, key, []byte("replaced"))
	wantObject(t, s, key, []byte("replaced"))
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete = %v, want nil", err)
	}
	if err := s.Put(t.Context(), key, strings.NewReader("again"), once); err != nil {
		t.Errorf("Put(IfAbsent) of a key that was deleted = %v, want nil", err)
	}
	wantObject(t, s, key, []byte("again"))
}

func testDelete(t *testing.T, s archive.Store) {
	put(t, s, "v1/d/a", []byte("a"))
	put(t, s, "v1/d/b", []byte("b"))
	put(t, s, "v1/d/c", []byte("c"))
	tests := []struct {
		name string
		keys []archive.Key
		left []archive.Key
	}{
		{"none", nil, []archive.Key{"v1/d/a", "v1/d/b", "v1/d/c"}},
		{"absent", []archive.Key{"v1/d/x"}, []archive.Key{"v1/d/a", "v1/d/b", "v1/d/c"}},
		{"absent in an absent folder", []archive.Key{"v1/no/folder/x"}, []archive.Key{"v1/d/a", "v1/d/b", "v1/d/c"}},
		{"there and absent", []archive.Key{"v1/d/x", "v1/d/a", "v1/d/y"}, []archive.Key{"v1/d/b", "v1/d/c"}},
		{"the same twice", []archive.Key{"v1/d/b", "v1/d/b"}, []archive.Key{"v1/d/c"}},
		{"the last", []archive.Key{"v1/d/c"}, nil},
	}
	for _, tt := range tests {
		if err := s.Delete(t.Context(), tt.keys...); err != nil {
			t.Fatalf("%s: Delete(%q) = %v, want nil", tt.name, tt.keys, err)
		}
		wantKeys(t, s, "v1/", "", tt.left)
	}
	wantAbsent(t, s, "v1/d/a")
	put(t, s, "v1/d/a", []byte("back"))
	wantObject(t, s, "v1/d/a", []byte("back"))
}

// pattern returns n bytes that differ from place to place, so that a part in the wrong place is seen.
func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails, and the same bytes every time
	return b
}

// testUnwritableKeys: a store may refuse keys that it could not list. One that takes them lists, gives and deletes
// them, and never does one of them hide another key.
func testUnwritableKeys(t *testing.T, s archive.Store) {
	const plain = archive.Key("v1/odd/plain")
	put(t, s, plain, []byte("plain"))
	taken := []archive.Key{plain}
	for _, key := range []archive.Key{"v1/odd/\x01control\x1f", "v1/odd/no-letter-\uffff", "v1/odd/replaced-\ufffd"} {
		if err := s.Put(t.Context(), key, strings.NewReader("odd"), archive.PutOptions{}); err != nil {
			continue
		}
		taken = append(taken, key)
		wantObject(t, s, key, []byte("odd"))
	}
	slices.Sort(taken)
	wantKeys(t, s, "", "", taken)
	if err := s.Delete(t.Context(), taken...); err != nil {
		t.Errorf("Delete(%q) = %v, want nil", taken, err)
	}
	wantKeys(t, s, "", "", nil)
}

func put(t *testing.T, s archive.Store, key archive.Key, body []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, bytes.NewReader(body), archive.PutOptions{}); err != nil {
		t.Fatalf("Put(%q, %d bytes) = %v, want nil", key, len(body), err)
	}
}

func get(ctx context.Context, s archive.Store, key archive.Key, r archive.Range) ([]byte, archive.Object, error) {
	body, obj, err := s.Get(ctx, key, r)
	if err != nil {
		return nil, obj, err
	}
	b, err := io.ReadAll(body)
	return b, obj, errors.Join(err, body.Close())
}

func wantObject(t *testing.T, s archive.Store, key archive.Key, want []byte) {
	t.Helper()
	got, obj, err := get(t.Context(), s, key, archive.Range{})
	if err != nil {
		t.Fatalf("Get(%q) = %v, want nil", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("Get(%q) gave %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(want), want)
	}
	if wantObj := (archive.Object{Key: key, Size: int64(len(want))}); obj != wantObj {
		t.Errorf("Get(%q) gave object %+v, want %+v", key, obj, wantObj)
	}
}

func wantAbsent(t *testing.T, s archive.Store, key archive.Key) {
	t.Helper()
	if _, _, err := get(t.Context(), s, key, archive.Range{}); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Get(%q) = %v, want ErrNotFound", key, err)
	}
}
