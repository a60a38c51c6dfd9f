package dir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(t.Context(), root)
	if err != nil {
		t.Fatalf("Open(%q) = %v, want nil", root, err)
	}
	return s
}

func putString(t *testing.T, s *Store, key archive.Key, body string) {
	t.Helper()
	if err := s.Put(t.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
		t.Fatalf("Put(%q) = %v, want nil", key, err)
	}
}

func TestConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) archive.Store { return open(t, filepath.Join(t.TempDir(), "new", "root")) })
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 237)
	tests := []struct {
		name string
		key  archive.Key
		want string
	}{
		{"plain", "v1/ns/_pod/a.b-c_d/main.0.log.zst", "v1/ns/_pod/a.b-c_d/main.0.log.zst"},
		{"dot", "a/./b", "a/%2E/b"},
		{"two dots", "../../etc/passwd", "%2E./%2E./etc/passwd"},
		{"hidden", ".unfinished/put-1", "%2Eunfinished/put-1"},
		{"percent", "100%/a%2Fb", "100%25/a%252Fb"},
		{"control bytes", "a\x00b\nc\x7f", "a%00b%0Ac%7F"},
		{"not UTF-8", "\xff\xfe", "\xff\xfe"},
		{"as long as fits", archive.Key(long + "y"), long + "y"},
		{"too long", archive.Key(long + "yz"), long + "y%/z"},
		{"dot where it is cut", archive.Key(long + "y.."), long + "y%/%2E."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := path(tt.key)
			if err != nil || got != tt.want {
				t.Fatalf("path(%q) = %q, %v, want %q, nil", tt.key, got, err, tt.want)
			}
			s := open(t, t.TempDir())
			putString(t, s, tt.key, "body")
			if _, err := os.Stat(filepath.Join(s.root, tt.want)); err != nil {
				t.Errorf("after Put: %v, want the file there", err)
			}
			for obj, err := range s.List(t.Context(), "", "") {
				if obj.Key != tt.key || err != nil {
					t.Errorf("List gave %q, %v, want %q, nil", obj.Key, err, tt.key)
				}
			}
			if err := s.Delete(t.Context(), tt.key); err != nil {
				t.Errorf("Delete = %v, want nil", err)
			}
			wantOnlyUnfinished(t, s)
		})
	}
}

// wantOnlyUnfinished fails where anything but the empty folder of unfinished files is left in the root.
func wantOnlyUnfinished(t *testing.T, s *Store) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(s.root, func(path string, _ os.DirEntry, err error) error {
		got = append(got, strings.TrimPrefix(path, s.root))
		return err
	})
	if want := []string{"", "/" + unfinished}; err != nil || !slices.Equal(got, want) {
		t.Errorf("files left: got %q, %v, want %q, nil", got, err, want)
	}
}

func FuzzNames(f *testing.F) {
	for _, segment := range []string{"a", "..", ".", "%", "%2E", "a%", strings.Repeat("%", 500), strings.Repeat(".", 500)} {
		f.Add(segment)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		if segment == "" || strings.Contains(segment, "/") {
			return
		}
		names := nameOf(segment)
		got := ""
		for i, name := range names {
			part, cont := segmentOf(name)
			if cont != (i < len(names)-1) || len(name) > maxName+1 || name[0] == '.' || strings.ContainsAny(name, "/\x00") {
				t.Errorf("nameOf(%q)[%d] = %q of %d, want a name that a folder can hold", segment, i, name, len(names))
			}
			got += part
		}
		if got != segment {
			t.Errorf("segmentOf(nameOf(%q)) = %q", segment, got)
		}
	})
}

func TestBadKeys(t *testing.T) {
	s := open(t, t.TempDir())
	for _, key := range []archive.Key{"", "/", "/a", "a/", "a//b"} {
		_, _, errGet := s.Get(t.Context(), key, archive.Range{})
		errs := map[string]error{
			"Put":    s.Put(t.Context(), key, strings.NewReader("x"), archive.PutOptions{}),
			"Get":    errGet,
			"Delete": s.Delete(t.Context(), key),
		}
		for method, err := range errs {
			if err == nil || errors.Is(err, archive.ErrNotFound) || !strings.Contains(err.Error(), fmt.Sprintf("key %q has an empty segment", key)) {
				t.Errorf("%s(%q) = %v, want an error that names the key", method, key, err)
			}
		}
	}
	wantOnlyUnfinished(t, s)
}

// TestLongNamesInOrder has names that go on in a folder of the same name as a folder of keys.
func TestLongNamesInOrder(t *testing.T) {
	s := open(t, t.TempDir())
	long := archive.Key("k/" + strings.Repeat("x", 238))
	keys := []archive.Key{long + "!", long + "-a/b", long + "/a", long + "/b", long + "0", long + "z"}
	for _, key := range slices.Backward(keys) {
		putString(t, s, key, "x")
	}
	for i := range keys {
		var got []archive.Key
		for obj, err := range s.List(t.Context(), "k/x", keys[i]) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, obj.Key)
		}
		if want := keys[i+1:]; !slices.Equal(got, want) {
			t.Errorf("List after key %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

func TestUnfinishedFiles(t *testing.T) {
	s := open(t, t.TempDir())
	old := filepath.Join(s.root, unfinished, "put-old")
	fresh := filepath.Join(s.root, unfinished, "put-fresh")
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * unfinishedAge)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	for obj, err := range s.List(t.Context(), "", "") {
		t.Errorf("List gave %q, %v, want nothing", obj.Key, err)
	}
	open(t, s.root)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("old unfinished file: got %v, want it removed", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("fresh unfinished file: got %v, want it kept", err)
	}
}

// TestVanishedRoot has a volume that is not mounted any more: no object may look absent then.
func TestVanishedRoot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "root"))
	putString(t, s, "v1/a", "x")
	if err := os.RemoveAll(s.root); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.root, 0o750); err != nil {
		t.Fatal(err)
	}
	_, _, errGet := s.Get(t.Context(), "v1/a", archive.Range{})
	var errList error
	for _, err := range s.List(t.Context(), "", "") {
		errList = err
	}
	errs := map[string]error{
		"Put":    s.Put(t.Context(), "v1/a", strings.NewReader("x"), archive.PutOptions{IfAbsent: true}),
		"Get":    errGet,
		"List":   errList,
		"Delete": s.Delete(t.Context(), "v1/a"),
	}
	for method, err := range errs {
		if err == nil || errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrExists) {
			t.Errorf("%s = %v, want trouble of the store itself", method, err)
		}
	}
}

// TestFoldersComeAndGo puts and deletes in the same folders at once: Delete removes folders under the feet of Put.
func TestFoldersComeAndGo(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			key := archive.Key(fmt.Sprintf("v1/a/b/%d", i))
			for range 50 {
				if err := s.Put(t.Context(), key, strings.NewReader("x"), archive.PutOptions{}); err != nil {
					t.Errorf("Put(%q) = %v, want nil", key, err)
				}
				body, _, err := s.Get(t.Context(), key, archive.Range{})
				if err == nil {
					err = body.Close()
				}
				if err != nil {
					t.Errorf("Get(%q) = %v, want nil", key, err)
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("Delete(%q) = %v, want nil", key, err)
				}
			}
		})
	}
	wg.Wait()
	wantOnlyUnfinished(t, s)
}

// TestListReadsNoSiblings lists one folder beside few and beside many: what it allocates is the same.
func TestListReadsNoSiblings(t *testing.T) {
	s := open(t, t.TempDir())
	list := func() {
		for _, err := range s.List(t.Context(), "v1/ns/job/uid/", "") {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	putString(t, s, "v1/ns/job/uid/a", "x")
	alone := testing.AllocsPerRun(5, list)
	for n := range 500 {
		putString(t, s, archive.Key(fmt.Sprintf("v1/ns/job-%d/uid/a", n)), "x")
	}
	if among := testing.AllocsPerRun(5, list); among > 2*alone {
		t.Errorf("got %.0f allocations among 500 Jobs, want about the %.0f of one alone", among, alone)
	}
}
