package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// testLongNames has keys with more between two slashes than a file system takes in a name: that of a pod without a Job,
// with its UID, and that of a Job which has a selector of its own.
func testLongNames(t *testing.T, s archive.Store) {
	once := archive.PutOptions{IfAbsent: true}
	var keys []archive.Key
	for _, n := range []int{116, 117, 120, 121, 130, 143, 144, 234, 235, 237, 238, 239, 240, 241, 255, 256, 290, 476, 480} {
		pod := strings.Repeat("p", n-5)
		for _, end := range []string{"a.uid", "b.uid", "-.uid"} {
			keys = append(keys, archive.Key(fmt.Sprintf("v1/ns/_pod/%s%s/manifest.json", pod, end)), archive.Key("v1/_index/day/2026-01-01/"+pod+end))
		}
	}
	for _, key := range keys {
		if err := s.Put(t.Context(), key, strings.NewReader("body of "+string(key)), once); err != nil {
			t.Fatalf("Put(%q) = %v, want nil", key, err)
		}
	}
	slices.Sort(keys)
	wantKeys(t, s, "", "", keys)
	for i, key := range keys {
		wantObject(t, s, key, []byte("body of "+key))
		if err := s.Put(t.Context(), key, strings.NewReader("other"), once); !errors.Is(err, archive.ErrExists) {
			t.Errorf("Put(IfAbsent) of the taken %q = %v, want ErrExists", key, err)
		}
		if i%7 == 0 {
			wantKeys(t, s, "v1/", key, keys[i+1:])
			folder := string(key[:strings.LastIndexByte(string(key), '/')+1])
			wantKeys(t, s, folder, "", below(keys, folder))
			wantKeys(t, s, string(key[:len(key)-10]), "", below(keys, string(key[:len(key)-10])))
		}
	}
	wantAbsent(t, s, keys[0]+"x")
	wantAbsent(t, s, archive.Key("v1/_index/day/2026-01-01/"+strings.Repeat("q", 300)))
	if err := s.Delete(t.Context(), keys[1:]...); err != nil {
		t.Fatalf("Delete(%d keys) = %v, want nil", len(keys)-1, err)
	}
	wantKeys(t, s, "", "", keys[:1])
}

func below(keys []archive.Key, prefix string) []archive.Key {
	return slices.DeleteFunc(slices.Clone(keys), func(key archive.Key) bool { return !strings.HasPrefix(string(key), prefix) })
}
