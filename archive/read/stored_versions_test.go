package read_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// storedLines are the lines of all logs in testdata: frames of 256 KiB, with lines of every kind.
func storedLines() (lines []archive.Line) {
	for n := range 720 {
		line := archive.Line{Time: archivetest.Start + int64(n)*1_000_003, Text: fmt.Appendf(nil, "line %d %s", n, strings.Repeat("x", 900+n%7))}
		switch n % 100 {
		case 7:
			line.Partial = true
		case 19:
			line.Time = 0
		case 33:
			line.Text = bytes.Repeat([]byte{0xFF, 0}, 5)
		case 51:
			line.Time -= 5_000_000_000
		case 52:
			line.Text = nil
		}
		lines = append(lines, line)
	}
	return lines
}

// eachStored runs a test on what each version has left.
func eachStored(t *testing.T, test func(t *testing.T, dir string)) {
	t.Helper()
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) { test(t, filepath.Join("testdata", version)) })
	}
}

// storeOf is the archive that a version has left.
func storeOf(t *testing.T, dir string) *storetest.Memory {
	t.Helper()
	memory := archivetest.NewJournalStore(t)
	root := filepath.Join(dir, "store")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key := archive.Key(filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator))))
		return memory.Put(t.Context(), key, bytes.NewReader(b), archive.PutOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return memory
}

// spoolOf is a copy of the spool that a version has left.
func spoolOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Join(dir, "spool"))); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestStoredObjectOfEachVersion(t *testing.T) {
	eachStored(t, func(t *testing.T, dir string) {
		store := storeOf(t, dir)
		readsStored(t, store, 3)
		key := archivetest.InstanceOf(archivetest.PodNumber(3), "main").LogKey()
		// Without its index it is read from the front.
		r := read.New(find.Config{Store: copyOf(t, store, func(at archive.Key, b []byte) []byte {
			if at == key {
				b[len(b)-1] ^= 1
			}
			return b
		}), Codec: archivetest.OneCodec})
		entries, damage := readOn(t, r, archive.Query{Target: podTarget(3)})
		if diff := archivetest.Difference(entries, archivetest.Oracle(storedLines(), archivetest.InstanceOf(archivetest.PodNumber(3), "main"), archive.Query{})); diff != "" || len(damage) != 1 {
			t.Errorf("without its index: %s, told of %v", diff, damage)
		}
	})
}

func podTarget(n int) archive.Target {
	return archive.Target{Namespace: archivetest.Pod.Namespace, Pod: archivetest.PodNumber(n).Pod, PodUID: archivetest.PodNumber(n).PodUID}
}

// readsStored reads a pod's log from a store: whole, its end, and as verify does.
func readsStored(t *testing.T, store archive.Store, n int) {
	t.Helper()
	r := read.New(find.Config{Store: store, Codec: archivetest.OneCodec})
	five := int64(5)
	for _, q := range []archive.Query{{}, {Tail: &five}, {FirstLine: 300, LastLine: 310}} {
		asked := q
		asked.Target = podTarget(n)
		a, entries := archivetest.ReadWhole(t, r, asked)
		if diff := archivetest.Difference(entries, archivetest.Oracle(storedLines(), archivetest.InstanceOf(archivetest.PodNumber(n), "main"), q)); diff != "" {
			t.Errorf("pod %d, %s: %s", n, archivetest.QueryText(asked), diff)
		}
		if l := a.Logs[0]; len(l.Gaps) != 1 || l.Seams != 1 {
			t.Errorf("pod %d: gaps %v, %d seams, want one of each", n, l.Gaps, l.Seams)
		}
	}
	for c, err := range r.Verify(t.Context(), nil) {
		if err != nil || c.Err != nil {
			t.Errorf("Verify: %v, %v", c.Err, err)
		}
	}
}

// TestStoredSpoolOfEachVersion: the logs go on where they were, also one that was read to its end and not yet put, and
// are sealed as objects of the present version.
func TestStoredSpoolOfEachVersion(t *testing.T) {
	eachStored(t, func(t *testing.T, dir string) {
		memory := storetest.NewMemory(t)
		l := archivetest.NewLife(t, "r-1", spoolOf(t, dir), memory, 0)
		sealsStored(t, l, memory)
	})
}

// TestStoredJournalOfEachVersion is the same for a replica that finds nothing but the journal.
func TestStoredJournalOfEachVersion(t *testing.T) {
	eachStored(t, func(t *testing.T, dir string) {
		memory := storeOf(t, dir)
		l := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
		if taken := l.TakeOver("r-1"); len(taken) != 2 {
			t.Errorf("took %v over, want both pods that are not sealed", taken)
		}
		sealsStored(t, l, memory)
		l.CollectToNothing(memory)
	})
}

func sealsStored(t *testing.T, l *archivetest.Life, memory *storetest.Memory) {
	t.Helper()
	for n := 1; n <= 2; n++ {
		log := archivetest.OpenLog(t, l.Spool, archivetest.InstanceOf(archivetest.PodNumber(n), "main"))
		linetest.WantLines(t, archivetest.HeldLines(t, log), storedLines())
		if log.Ended() != (n == 2) {
			t.Errorf("pod %d: ended %t, want the second alone", n, log.Ended())
		}
		if err := l.SealPod(t.Context(), archivetest.PodNumber(n)); err != nil {
			t.Fatal(err)
		}
		readsStored(t, memory, n)
		b, _ := memory.Bytes(archivetest.InstanceOf(archivetest.PodNumber(n), "main").LogKey())
		if magic := binary.LittleEndian.Uint32(b); magic != 0xFD2FB528 {
			t.Errorf("pod %d: the object begins with %#x, want a zstd frame of text", n, magic)
		}
	}
}

// TestStoredSpoolCutInTheMiddle: of a file that a crash cut off the whole frames stay, and the log goes on behind them.
func TestStoredSpoolCutInTheMiddle(t *testing.T) {
	lines := storedLines()
	eachStored(t, func(t *testing.T, dir string) {
		for _, name := range []string{"main.0.log", "main.0.tail"} {
			path := filepath.Join("uid-1", name)
			info, err := os.Stat(filepath.Join(dir, "spool", path))
			if err != nil {
				t.Fatal(err)
			}
			for size := info.Size() - 1; size >= 0; size -= 97 {
				spool := spoolOf(t, dir)
				if err := os.Truncate(filepath.Join(spool, path), size); err != nil {
					t.Fatal(err)
				}
				log := archivetest.OpenLog(t, archivetest.OpenSpool(t, spool, 1<<30), archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
				got := archivetest.HeldLines(t, log)
				if len(got) >= len(lines) {
					t.Fatalf("%s cut to %d bytes holds %d lines", name, size, len(got))
				}
				linetest.WantLines(t, got, lines[:len(got)])
				if _, err := log.Append(lines[len(got):]...); err != nil {
					t.Fatal(err)
				}
				linetest.WantLines(t, archivetest.HeldLines(t, log), lines)
			}
		}
	})
}

// TestStoredJournalCutInTheMiddle: what an object that was cut held is a gap, or is not there where it came last.
func TestStoredJournalCutInTheMiddle(t *testing.T) {
	lines := storedLines()
	eachStored(t, func(t *testing.T, dir string) {
		keys := archivetest.JournalKeys(storeOf(t, dir))
		for _, broken := range keys {
			memory := copyOf(t, storeOf(t, dir), func(key archive.Key, b []byte) []byte {
				if key == broken {
					return b[:len(b)/2]
				}
				return b
			})
			l := archivetest.NewLife(t, "r-2", t.TempDir(), memory, 0)
			l.TakeOver("r-1")
			log := archivetest.OpenLog(t, l.Spool, archivetest.InstanceOf(archivetest.PodNumber(1), "main"))
			got, damaged := archivetest.HeldLines(t, log), slices.ContainsFunc(log.Summary().Gaps, func(g archive.Gap) bool { return g.Reason == archive.GapDamaged })
			whole := len(got) == len(lines) // what it held came again in a later one
			if last := broken == keys[len(keys)-1]; whole == damaged && !last {
				t.Errorf("without %s: %d lines, a gap %t", broken, len(got), damaged)
			}
			at := 0
			for _, line := range got {
				for at < len(lines) && !(lines[at].Time == line.Time && bytes.Equal(lines[at].Text, line.Text)) {
					at++
				}
				if at++; at > len(lines) {
					t.Fatalf("without %s: line %.30q is not the log's, or not in its order", broken, line.Text)
				}
			}
		}
	})
}

// TestGapBeforeTheFirstLine: the text of the object comes first all the same, and whatever reads it finds all.
func TestGapBeforeTheFirstLine(t *testing.T) {
	s := archivetest.NewShelf(t)
	log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
	lines := archivetest.LinesTimedByNumber(30)
	for range 2 {
		log.Gap(archive.Gap{Reason: archive.GapLateStart, Detail: fmt.Sprint(len(log.Summary().Gaps))})
		if err := log.CloseFrame(); err != nil {
			t.Fatal(err)
		}
	}
	s.Append("main", lines)
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	key := archivetest.Instance("main").LogKey()
	object, _ := s.Store.Bytes(key)
	if magic := binary.LittleEndian.Uint32(object); magic != 0xFD2FB528 {
		t.Errorf("the object begins with %#x, want a zstd frame of text", magic)
	}
	for c, err := range s.Remote().Verify(t.Context(), nil) {
		if err != nil || c.Err != nil {
			t.Errorf("Verify: %v, %v", c.Err, err)
		}
	}
	for name, change := range map[string]func([]byte){"whole": func([]byte) {}, "without its index": func(b []byte) { b[len(b)-1] ^= 1 }} {
		r := read.New(find.Config{Store: copyOf(t, s.Store, func(at archive.Key, b []byte) []byte {
			if at == key {
				change(b)
			}
			return b
		}), Codec: archivetest.OneCodec})
		entries, damage := readOn(t, r, archive.Query{Target: archivetest.WholeJob})
		if diff := archivetest.Difference(entries, archivetest.Oracle(lines, archivetest.Instance("main"), archive.Query{})); diff != "" || len(damage) > 1 {
			t.Errorf("%s: %s, told of %v", name, diff, damage)
		}
	}
}
