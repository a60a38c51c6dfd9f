package serve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

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
