package storetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestMemoryConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) archive.Store { return storetest.NewMemory(nil) })
}

// reports keeps what would have failed a test.
type reports []string

func (r *reports) Helper()                        {}
func (r *reports) Errorf(format string, a ...any) { *r = append(*r, fmt.Sprintf(format, a...)) }

func TestMemoryWatchesRules(t *testing.T) {
	put := func(key archive.Key, body string) func(*testing.T, *storetest.Memory) {
		return func(t *testing.T, m *storetest.Memory) {
			if err := m.Put(t.Context(), key, strings.NewReader(body), archive.PutOptions{}); err != nil {
				t.Errorf("Put(%q) = %v, want nil", key, err)
			}
		}
	}
	remove := func(t *testing.T, m *storetest.Memory) {
		if err := m.Delete(t.Context(), "v1/j/1"); err != nil {
			t.Errorf("Delete = %v, want nil", err)
		}
	}
	read := func(t *testing.T, m *storetest.Memory) { _, _, _ = m.Get(t.Context(), "v1/j/1", archive.Range{}) }
	exempt := func(_ *testing.T, m *storetest.Memory) {
		all := func(archive.Key) bool { return true }
		m.MayReplace, m.MayReadDeleted = all, all
	}
	type step = func(*testing.T, *storetest.Memory)
	tests := []struct {
		name  string
		steps []step
		want  string // part of the only report; "" wants none
	}{
		{"log again", []step{put("v1/a.log.zst", "x"), put("v1/a.log.zst", "x")}, ""},
		{"other log", []step{put("v1/a.log.zst", "x"), put("v1/a.log.zst", "y")}, "sealed object"},
		{"other log, exempt", []step{exempt, put("v1/a.log.zst", "x"), put("v1/a.log.zst", "y")}, ""},
		{"manifest again", []step{put("v1/p/manifest.json", "x"), put("v1/p/manifest.json", "x")}, ""},
		{"other manifest", []step{put("v1/p/manifest.json", "x"), put("v1/p/manifest.json", "y")}, "sealed object"},
		{"other document", []step{put("v1/p/job.json", "x"), put("v1/p/job.json", "y")}, ""},
		{"read", []step{put("v1/j/1", "x"), read}, ""},
		{"read of what never was", []step{read}, ""},
		{"read after delete", []step{put("v1/j/1", "x"), remove, read}, "was deleted"},
		{"read after delete, exempt", []step{exempt, put("v1/j/1", "x"), remove, read}, ""},
		{"read after delete and put", []step{put("v1/j/1", "x"), remove, put("v1/j/1", "x"), read}, ""},
		{"empty", []step{put("v1/j/1", "")}, "is empty"},
		{"empty index", []step{put("v1/_index/day/2026-11-23/ns.job.uid", "")}, ""},
		{"empty segment", []step{put("v1//a", "x")}, "empty segment"},
		{"leading slash", []step{put("/v1", "x")}, "empty segment"},
		{"trailing slash", []step{put("v1/", "x")}, "empty segment"},
		{"key above", []step{put("v1/a", "x"), put("v1/a/b", "x")}, "its folder v1/a is the key"},
		{"key below", []step{put("v1/a/b", "x"), put("v1/a", "x")}, "is the folder of another key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got reports
			m := storetest.NewMemory(&got)
			for _, step := range tt.steps {
				step(t, m)
			}
			if tt.want == "" && len(got) > 0 {
				t.Errorf("got reports %q, want none", got)
			}
			if tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got reports %q, want one with %q", got, tt.want)
			}
		})
	}
}
