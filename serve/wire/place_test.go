package wire

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestPlaceIsTakenBack: whatever the number of logs, what is given is taken back, and it is short where they have
// ended.
func TestPlaceIsTakenBack(t *testing.T) {
	const logs = 10_000
	id := func(n int) archive.LogID {
		return archive.LogID{Pod: archive.PodUID(fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", n)), Container: "main", Restart: n % 3}
	}
	at := NewPlace()
	at.Begun(map[archive.LogID]int64{id(0): 0, id(1): 0})
	given := 0
	for n := range logs {
		at.Had(id(n), int64(100*n))
		if n > 1000 && n%100 > 0 {
			continue
		}
		text, ok := strings.CutPrefix(string(at.AppendID(nil)), "id: ")
		if !ok {
			continue
		}
		given++
		back, err := ParsePlace(strings.TrimSpace(text))
		if err != nil || !back.Whole || !reflect.DeepEqual(back.Lines, at.Lines) {
			t.Fatalf("with %d logs: %v", n, err)
		}
	}
	if given < 1000 {
		t.Errorf("an id was given %d times, want up to a thousand logs that are open", given)
	}
	var done []archive.LogID
	for n := range logs - 10 {
		done = append(done, id(n))
	}
	mark := archive.Mark{PodKey: archive.PodKey{Job: 5, Pod: 7, Name: "pod", UID: "uid"}, Sealed: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Pods: logs - 10, Sum: 1 << 63, Except: []archive.PodUID{id(3).Pod, "odd"}}
	at.Marked(mark, done)
	text := at.String()
	back, err := ParsePlace(text)
	if err != nil || !reflect.DeepEqual(back.Lines, at.Lines) || !reflect.DeepEqual(*back.Mark, mark) || len(text) > 1000 {
		t.Errorf("with %d logs at their ends: %d bytes, %v, mark %+v, want it short and as it was given", len(done), len(text), err, back.Mark)
	}
	for n := range len(text) {
		_, _ = ParsePlace(text[:n]) // it must not panic
	}
}

// FuzzPlace: a place that is read is the one that was written, and nothing else is taken for one.
func FuzzPlace(f *testing.F) {
	p := NewPlace()
	p.Had(archive.LogID{Pod: "0f8fad5b-d9cb-469f-a165-70867728950e", Container: "main", Restart: 2}, 12345)
	p.Had(archive.LogID{Pod: "b", Container: "", Restart: 0}, 0)
	f.Add(p.String())
	f.Add("1.")
	p.Begun(map[archive.LogID]int64{{Pod: "c", Container: "main"}: 0})
	f.Add(p.String())
	f.Add("1.AQ")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParsePlace(text)
		if err != nil {
			return
		}
		again, err := ParsePlace(at.String())
		if err != nil || !reflect.DeepEqual(again, at) {
			t.Errorf("%q: got %v, then %v (%v)", text, at, again, err)
		}
		if strings.ContainsAny(at.String(), " \r\n") || url.QueryEscape(at.String()) != at.String() {
			t.Errorf("%q cannot stand in a header and a URL as it is", at)
		}
	})
}
