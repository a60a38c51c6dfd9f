package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/journal/printer"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// looked is a store with the journals of two replicas: that of r-1 has an object with whole and small frames, a draft,
// a gap, a log that has ended and one that is sealed.
func looked(t *testing.T) (*storetest.Memory, *journal.Reader, []archive.Line) {
	memory := archivetest.NewJournalStore(t)
	first, other := archivetest.NewLife(t, "r-1", t.TempDir(), memory, 0), archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
	lines := archivetest.ManyLines(20_000, 1)
	first.Write(archivetest.PodNumber(1), "main", lines)
	first.Draft(archivetest.PodNumber(1), "Running")
	first.Write(archivetest.PodNumber(2), "main", lines[:10]).Gap(archive.Gap{AfterLine: 10, Reason: archive.GapRotated})
	if _, err := first.Write(archivetest.PodNumber(3), "main", lines[:10]).End(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Sealer.Log(t.Context(), first.Write(archivetest.PodNumber(4), "main", lines[:10])); err != nil {
		t.Fatal(err)
	}
	first.Flush()
	other.Write(archivetest.PodNumber(5), "main", lines[:5])
	other.Flush()
	other.Write(archivetest.PodNumber(5), "main", lines[5:10])
	other.Flush()
	return memory, journal.NewReader(memory, archivetest.NewCodec(t)), lines
}

// damaged returns a reader of a copy of the store in which one object is changed.
func damaged(t *testing.T, memory *storetest.Memory, key archive.Key, change func([]byte)) *journal.Reader {
	t.Helper()
	return journal.NewReader(archivetest.CopyDamaged(t, memory, key, change), archivetest.NewCodec(t))
}

func TestJournalReaderLists(t *testing.T) {
	memory, _, _ := looked(t)
	reader := damaged(t, memory, archivetest.JournalKeys(memory)[2], func(b []byte) { b[len(b)-20] ^= 1 })
	for replica, want := range map[string]string{
		"":    "[1: 4 logs 1: 1 logs 2: damaged]",
		"r-1": "[1: 4 logs]",
		"r-2": "[1: 1 logs 2: damaged]",
		"r":   "[]",
	} {
		var got []string
		numbers := map[string]int{}
		for object, err := range reader.List(t.Context(), replica) {
			if err != nil {
				t.Fatal(err)
			}
			of := strings.Split(string(object.Key), "/")[2]
			numbers[of]++
			number := strconv.Itoa(numbers[of])
			if object.Index == nil {
				got = append(got, fmt.Sprintf("%s: damaged", number))
				if object.Error == "" || object.Size == 0 {
					t.Errorf("got %+v, want what is damaged, and the size", object)
				}
				continue
			}
			logs := 0
			for _, p := range object.Index.Pods {
				logs += len(p.Logs)
			}
			got = append(got, fmt.Sprintf("%s: %d logs", number, logs))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("replica %q: got %v, want %s", replica, got, want)
		}
	}
}

// TestJournalReaderReads: the text of a log in an object is what was written, byte by byte.
func TestJournalReaderReads(t *testing.T) {
	memory, reader, lines := looked(t)
	object, err := reader.Object(t.Context(), archivetest.JournalKeys(memory)[0])
	if err != nil || object.Index == nil {
		t.Fatalf("Object() = %+v, %v", object, err)
	}
	for pod, want := range map[int]int{1: len(lines), 2: 10, 3: 10, 4: 0} {
		var got []archive.Line
		err := reader.Lines(t.Context(), object, archive.LogID{Pod: archivetest.PodNumber(pod).PodUID, Container: "main"}, func(l archive.Line) bool {
			l.Text = bytes.Clone(l.Text)
			got = append(got, l)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		linetest.WantLines(t, got, lines[:want])
	}
	seen := 0
	if err := reader.Lines(t.Context(), object, archive.LogID{Pod: "uid-1", Container: "main"}, func(archive.Line) bool { seen++; return seen < 3 }); err != nil || seen != 3 {
		t.Errorf("%d lines were given after a stop at 3, error %v", seen, err)
	}
	for _, name := range []archive.LogID{{Pod: "uid-9", Container: "main"}, {Pod: "uid-1", Container: "other"}, {Pod: "uid-1", Container: "main", Restart: 1}} {
		if err := reader.Lines(t.Context(), object, name, nil); !errors.Is(err, journal.ErrNoSuchLog) {
			t.Errorf("%+v: got error %v, want ErrNoSuchLog", name, err)
		}
	}
	if _, err := reader.Object(t.Context(), "v1/_journal/r-1/00000000000000000009"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// TestJournalPrinter: what is printed names every log, and the damage where there is one.
func TestJournalPrinter(t *testing.T) {
	memory, reader, lines := looked(t)
	key := archivetest.JournalKeys(memory)[0]
	print := func(json bool, do func(printer.Printer) error) string {
		t.Helper()
		var out bytes.Buffer
		if err := do(printer.Printer{Reader: reader, Out: &out, JSON: json}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	contains := func(text string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("got\n%s\nwant %q in it", text, want)
			}
		}
	}
	list := func(p printer.Printer) error { return p.List(t.Context(), "") }
	dump := func(p printer.Printer) error { return p.Dump(t.Context(), key) }
	contains(print(false, list), "REPLICA", "r-1 ", "r-2 ")
	contains(print(false, dump), "in life ", "pod ns/pod-1 uid-1", ", draft of ", "whole frame of", "small frame of", "1 gaps", "lines so far, following goes on from 2", ", ended", ", sealed, record of ", ", ok\n")
	for line := range strings.Lines(print(true, list) + print(true, dump)) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%q is no JSON document", line)
		}
	}
	name, err := printer.ParseName("uid-1/main.0")
	if err != nil {
		t.Fatal(err)
	}
	text := func(p printer.Printer) error { return p.Text(t.Context(), key, name) }
	var want bytes.Buffer
	for _, l := range lines {
		fmt.Fprintf(&want, "%s\n", l.Text)
	}
	if got := print(false, text); got != want.String() {
		t.Errorf("got %d bytes of text, want the %d that were written", len(got), want.Len())
	}
	contains(print(true, text), fmt.Sprintf(`{"time":%d,"text":"%s"}`, lines[7].Time, lines[7].Text))
	reader = damaged(t, memory, key, func(b []byte) { b[2000] ^= 1 })
	contains(print(false, dump), "damaged", ", ok\n")
	if err := text(printer.Printer{Reader: reader, Out: io.Discard}); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("got error %v, want ErrDamaged", err)
	}
	reader = damaged(t, memory, key, func(b []byte) { b[len(b)-20] ^= 1 })
	for _, do := range []func(printer.Printer) error{dump, text} {
		if err := do(printer.Printer{Reader: reader, Out: io.Discard}); !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), string(key)) {
			t.Errorf("got error %v, want one that names the damaged object", err)
		}
	}
}

func TestJournalNames(t *testing.T) {
	for text, want := range map[string]archive.Key{
		"r-1/42":                               "v1/_journal/r-1/00000000000000000042",
		"v1/_journal/r-1/00000000000000000042": "v1/_journal/r-1/00000000000000000042",
		"r-1":                                  "", "r-1/x": "", "r-1/-1": "", "/1": "", "a/b/1": "", "": "",
	} {
		got, err := archive.ParseJournalKey(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("JournalKey(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]archive.LogID{
		"u/main.3": {Pod: "u", Container: "main", Restart: 3},
		"u/main":   {}, "main.0": {}, "u/main.-1": {}, "u/main.x": {}, "../main.0": {}, "u/": {}, "": {},
	} {
		got, err := printer.ParseName(text)
		if (err == nil) != (want.Pod != "") || err == nil && got != want {
			t.Errorf("ParseJournalName(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}
