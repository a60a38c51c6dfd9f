package serve

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestPlaceIsTakenBack: whatever the number of logs, what is given is taken back, and it is short where they have
// ended.
func TestPlaceIsTakenBack(t *testing.T) {
	const logs = 10_000
	id := func(n int) archive.LogID {
		return archive.LogID{Pod: archive.PodUID(fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", n)), Container: "main", Restart: n % 3}
	}
	at := newPlace()
	at.begun(map[archive.LogID]int64{id(0): 0, id(1): 0})
	given := 0
	for n := range logs {
		at.had(id(n), int64(100*n))
		if n > 1000 && n%100 > 0 {
			continue
		}
		text, ok := strings.CutPrefix(string(at.appendID(nil)), "id: ")
		if !ok {
			continue
		}
		given++
		back, err := parsePlace(strings.TrimSpace(text))
		if err != nil || !back.whole || !reflect.DeepEqual(back.lines, at.lines) {
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
	mark := archive.Mark{PodKey: archive.PodKey{Job: 5, Pod: 7, Name: "pod", UID: "uid"}, Sealed: start, Pods: logs - 10, Sum: 1 << 63, Except: []archive.PodUID{id(3).Pod, "odd"}}
	at.marked(mark, done)
	text := at.String()
	back, err := parsePlace(text)
	if err != nil || !reflect.DeepEqual(back.lines, at.lines) || !reflect.DeepEqual(*back.mark, mark) || len(text) > 1000 {
		t.Errorf("with %d logs at their ends: %d bytes, %v, mark %+v, want it short and as it was given", len(done), len(text), err, back.mark)
	}
	for n := range len(text) {
		_, _ = parsePlace(text[:n]) // it must not panic
	}
}

// TestIDsDoNotGrow: of an answer of many logs, of which some are open, each event's id is short, and each is gone on
// with.
func TestIDsDoNotGrow(t *testing.T) {
	s := newShelf(t)
	const pods = 60
	ref := func(n int) archive.PodRef {
		p := usualPod
		p.Pod, p.PodUID = fmt.Sprintf("run-%02d", n), archive.PodUID(fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", n))
		return p
	}
	for n := range pods {
		s.write(ref(n), fmt.Sprintf("a%02d ", n), fmt.Sprintf("b%02d ", n))
		if n%20 == 5 {
			s.draft(ref(n), "main")
		} else {
			s.sealOnly(ref(n), "main")
		}
	}
	path := "/api/v1/namespaces/jobs/jobs/run/log?format=sse"
	ids, all, _ := events(t, s.ask(path).Body.String())
	if len(all) != 2*pods || len(ids) != len(all) {
		t.Fatalf("got %d lines and %d ids, want %d", len(all), len(ids), 2*pods)
	}
	for n, id := range ids {
		if len(id) > 400 {
			t.Errorf("the id of line %d has %d bytes", n, len(id))
		}
		if n%7 > 0 && n < len(ids)-3 {
			continue
		}
		_, rest, _ := events(t, s.ask(path, "Last-Event-ID", id).Body.String())
		if got, want := strings.Join(rest, ""), strings.Join(all[n+1:], ""); got != want {
			t.Errorf("after line %d: got %q, want %q", n, got, want)
		}
	}
}
