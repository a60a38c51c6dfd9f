package try

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

func instance(pod, container string, restart int) *archive.Instance {
	return &archive.Instance{
		PodRef: archive.PodRef{Namespace: "jobs", Job: "nightly", JobUID: "j", Pod: pod, PodUID: archive.PodUID(pod + "-uid")}, Container: container, Restart: restart,
	}
}

func line(i *archive.Instance, text string) *archive.Entry {
	return &archive.Entry{Instance: i, Line: archive.Line{Text: []byte(text)}}
}

func TestScreen(t *testing.T) {
	for _, test := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"terminal", true, "[nightly/main] a^[[2J\n[nightly-2/main[1]] b\n* job ^[x: seen\n"},
		{"file", false, "[nightly/main] a\x1b[2J\n[nightly-2/main[1]] b\n* job ^[x: seen\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			s := NewScreen(&out, test.terminal, false)
			s.Name("nightly-1-uid", "nightly")
			s.Line(line(instance("nightly-1", "main", 0), "a\x1b[2J"))
			s.Line(line(instance("nightly-2", "main", 1), "b"))
			s.Say("job %s: seen", "\x1bx")
			if got := out.String(); got != test.want || s.Err() != nil {
				t.Errorf("got %q, %v, want %q", got, s.Err(), test.want)
			}
		})
	}
}

// TestScreenOfManyPods: lines that come at once stand below each other.
func TestScreenOfManyPods(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, false, false)
	var pods sync.WaitGroup
	for _, pod := range []string{"a", "b", "c"} {
		pods.Go(func() {
			for range 1000 {
				s.Line(line(instance(pod, "main", 0), strings.Repeat(pod, 30)))
			}
		})
	}
	pods.Wait()
	count := map[string]int{}
	for l := range strings.Lines(out.String()) {
		count[l]++
	}
	for _, pod := range []string{"a", "b", "c"} {
		if got := count["["+pod+"/main] "+strings.Repeat(pod, 30)+"\n"]; got != 1000 || len(count) != 3 {
			t.Errorf("got %d whole lines of %s, and %d kinds of lines, want 1000 and 3", got, pod, len(count))
		}
	}
}

// TestTrouble: an error of the log is told, and not with each try.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, file bytes.Buffer
		log := slog.New(Loud(slog.NewTextHandler(&file, nil), NewScreen(&out, true, false))).With("component", "sealer")
		for range 3 {
			log.Error("seal log", "err", errors.New("no space left on device"), "tries", 1)
		}
		log.Warn("store is in trouble")
		time.Sleep(again)
		log.Error("seal log", "err", errors.New("no space left on device"))
		want := strings.Repeat("! seal log: no space left on device\n", 2)
		if got := out.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := strings.Count(file.String(), "component=sealer"); got != 5 {
			t.Errorf("got %d lines in the file, want 5:\n%s", got, file.String())
		}
	})
}

type broken struct{ io.Writer }

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe is broken") }

func TestScreenThatIsGone(t *testing.T) {
	s := NewScreen(broken{}, false, false)
	s.Say("x")
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "write output: pipe is broken") {
		t.Errorf("got %v, want the error of the write", err)
	}
}
