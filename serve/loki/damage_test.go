package loki

import (
	"bytes"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestDamageIsTold: where stored bytes are damaged the lines around are given, and an entry says which ones are
// missing: once, in either direction, to who asks for lines and to who counts them. Other logs are not hidden by it.
func TestDamageIsTold(t *testing.T) {
	b := newBench(t)
	b.keep(usualPod, "one", "two", "three")
	b.keep(pod("jobs", "whole", "1"), "kept")
	key := instance(usualPod, "main").LogKey()
	raw, ok := b.store.Bytes(key)
	if !ok {
		t.Fatal("no log object")
	}
	raw = bytes.Clone(raw)
	raw[20] ^= 1
	b.store.MayReplace = func(k archive.Key) bool { return k == key }
	if err := b.store.Put(t.Context(), key, bytes.NewReader(raw), archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, direction := range []string{"forward", "backward"} {
		got := answered[data[result]](t, b.ask("query_range", times("query", `{namespace="jobs"}`, "direction", direction)...))
		damage, texts := 0, got.Data.lines()
		for _, s := range got.Data.Result {
			if s.Stream["epilogue"] == "damage" && strings.Contains(s.Values[0][1].(string), "3 lines after line 0") {
				damage++
			}
		}
		if len(texts) != 2 || damage != 1 {
			t.Errorf("%s: got %q, want the other log's line and one entry for the damage", direction, texts)
		}
	}
	for _, window := range []string{"1s", "1h"} {
		got := answered[data[result]](t, b.ask("query_range", times("query", `sum by (epilogue) (count_over_time({job="run"}[`+window+`]))`, "step", "1")...))
		for _, s := range got.Data.Result {
			if window == "1s" && s.Metric["epilogue"] != "damage" {
				t.Errorf("got %v, want no lines but the damage", s)
			}
		}
	}
}
