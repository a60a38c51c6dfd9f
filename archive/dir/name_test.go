package dir

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/fold"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestFilesAreNamesOfABucket: an archive in a folder that is copied into a bucket, file by file, is read there, long
// names too.
func TestFilesAreNamesOfABucket(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	var keys []archive.Key
	for _, n := range []int{30, 120, 236, 238, 239, 240, 290, 354} {
		key := archive.Key("v1/ns/_pod/" + strings.Repeat("p", n) + "/manifest.json")
		putString(t, s, key, string(key))
		keys = append(keys, key)
	}
	memory := storetest.NewMemory(t)
	memory.LongestPart = 255
	bucket := &fold.Folded{Store: memory}
	err := filepath.WalkDir(root, func(path string, file os.DirEntry, err error) error {
		if err != nil || file.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return memory.Put(t.Context(), archive.Key(filepath.ToSlash(name)), bytes.NewReader(body), archive.PutOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	var got []archive.Key
	for object, err := range bucket.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, object.Key)
	}
	if !slices.Equal(got, keys) {
		t.Errorf("got %q, want %q", got, keys)
	}
	for _, key := range keys {
		body, _, err := bucket.Get(t.Context(), key, archive.Range{})
		if err != nil {
			t.Errorf("Get(%q) = %v, want nil", key, err)
			continue
		}
		body.Close()
	}
}
