package fold_test

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/fold"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestFoldedConforms holds it over a store that takes less between two slashes than an ordinary file system.
func TestFoldedConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) archive.Store { return over(storetest.NewMemory(nil), 143) })
}

func over(m *storetest.Memory, longest int) *fold.Folded {
	m.LongestPart = longest
	return &fold.Folded{Store: m}
}

func TestFold(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	for _, test := range []struct {
		name, key string
		at        int
		want      string
	}{
		{"short", "v1/ns/" + a(120) + "/x", 120, "v1/ns/" + a(120) + "/x"},
		{"long", "v1/ns/" + a(239) + "/x", 238, "v1/ns/" + a(238) + "%/a/x"},
		{"at its end", "v1/" + a(121), 120, "v1/" + a(120) + "%/a"},
		{"very long", a(300), 120, a(120) + "%/" + a(120) + "%/" + a(60)},
		{"looks folded", a(120) + "%/x", 238, a(120) + "%/%/x"},
		{"looks folded at its end", "x/" + a(120) + "%", 238, "x/" + a(120) + "%"},
		{"inside a letter", a(237) + "é", 238, a(237) + "%/é"},
		{"per cent", "50%/" + a(60) + "%/x", 120, "50%/" + a(60) + "%/x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fold.Fold(archive.Key(test.key), test.at)
			if got != archive.Key(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if back := fold.Unfold(got); back != archive.Key(test.key) {
				t.Errorf("got %q back, want %q", back, test.key)
			}
		})
	}
}

// TestFoldedAndAsTheyAre: an archive has long names from before there were folds, and folded ones. All keys are found,
// each once and in order.
func TestFoldedAndAsTheyAre(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		m := storetest.NewMemory(t)
		folded := over(m, 0)
		want := map[archive.Key]bool{}
		for range 40 {
			part := strings.Repeat("n", []int{3, 116, 119, 120, 121, 237, 238, 239, 250, 300}[random.IntN(10)]) +
				[]string{"", "-", ".", "0", "n", "z"}[random.IntN(6)]
			key := archive.Key(fmt.Sprintf("v1/%s/%s%d", part, strings.Repeat("f", random.IntN(2)*130), random.IntN(3)))
			name := []archive.Key{key, fold.Fold(key, 120), fold.Fold(key, 238)}[random.IntN(3)]
			archivetest.PutBytes(t, m, name, []byte("same"))
			want[key] = true
		}
		keys := slices.Sorted(maps.Keys(want))
		for _, at := range []int{0, random.IntN(len(keys)), len(keys) - 1} {
			after := keys[at]
			prefix := string(keys[random.IntN(len(keys))])
			prefix = prefix[:random.IntN(len(prefix)+1)]
			rest := slices.DeleteFunc(slices.Clone(keys), func(k archive.Key) bool { return k <= after || !strings.HasPrefix(string(k), prefix) })
			if got := listed(t, folded, prefix, after); !slices.Equal(got, rest) {
				t.Fatalf("List(%q, %q):\n got %q\nwant %q", prefix, after, got, rest)
			}
		}
		for _, key := range keys {
			if err := folded.Put(t.Context(), key, strings.NewReader("other"), archive.PutOptions{IfAbsent: true}); err == nil {
				t.Fatalf("Put(IfAbsent) of the taken %q = nil", key)
			}
			if body, object, err := folded.Get(t.Context(), key, archive.Range{}); err != nil || object.Key != key {
				t.Fatalf("Get(%q) = %+v, %v", key, object, err)
			} else {
				body.Close()
			}
		}
		if err := folded.Delete(t.Context(), keys...); err != nil || len(m.Keys()) > 0 {
			t.Fatalf("Delete = %v, and %q is left", err, m.Keys())
		}
	}
}

func listed(t *testing.T, store archive.Store, prefix string, after archive.Key) (keys []archive.Key) {
	t.Helper()
	for object, err := range store.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

// TestPodsOfLongNames: on stores that take less than the names of pods and Jobs may have, logs are kept, found, proven
// and expired.
func TestPodsOfLongNames(t *testing.T) {
	for _, longest := range []int{255, 143} {
		t.Run(fmt.Sprint(longest), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { longNames(t, longest) })
		})
	}
}

func longNames(t *testing.T, longest int) {
	s := archivetest.NewShelf(t)
	defer s.Spool.Still()
	s.Faulty.Store = over(s.Store, longest)
	long := strings.Repeat("long.", 50)
	for _, ref := range []archive.PodRef{
		{Namespace: "ns", Pod: long + "pod", PodUID: "7c9e6679-7425-40de-944b-e07fc1f90ae7"},
		{Namespace: "ns", Job: long + "job", JobUID: "0f8fad5b-d9cb-469f-a165-70867728950e", Pod: long[:100] + "-abcde", PodUID: "7c9e6679-7425-40de-944b-e07fc1f90ae8"},
	} {
		i := archive.Instance{PodRef: ref, Container: "main", Kind: archive.KindMain, ContainerID: "containerd://" + string(ref.PodUID)}
		s.Say(i, "text")
		s.SealPod(i)
		for _, target := range []archive.Target{{Namespace: "ns", Pod: ref.Pod}, {Namespace: "ns", Job: ref.Job}} {
			if target.Pod == "" && target.Job == "" {
				continue
			}
			if _, got := archivetest.ReadWhole(t, s.Remote(), archive.Query{Target: target}); len(got) != 1 {
				t.Errorf("%+v: %d lines, want one", target, len(got))
			}
		}
		if e, err := s.Sealer.Evidence(t.Context(), ref); err != nil || len(e.Manifests) == 0 {
			t.Errorf("got %d manifests, %v, want one that proves it", len(e.Manifests), err)
		}
	}
	jobs, checked := 0, 0
	for _, err := range s.Remote().Jobs(t.Context(), archive.JobQuery{}) {
		if jobs++; err != nil {
			t.Error(err)
		}
	}
	for c, err := range s.Remote().Verify(t.Context(), nil) {
		if checked++; err != nil || c.Err != nil {
			t.Errorf("verify: %+v, %v", c, err)
		}
	}
	if jobs != 2 || checked != 4 {
		t.Errorf("got %d in the list and %d checks, want 2, and 4: each manifest and each log", jobs, checked)
	}
	time.Sleep(400 * 24 * time.Hour)
	retention := retention.New(retention.Config{After: 30 * 24 * time.Hour}, s.Faulty, s.Journal(), slog.New(slog.DiscardHandler))
	if err := retention.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys := s.Store.Keys(); len(keys) > 0 {
		t.Errorf("after the retention there is %q", keys)
	}
}
