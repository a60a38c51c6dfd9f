package spool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// TestRecoveryCutsTornFiles cuts the files of a log at every length that its last frames can be torn to: what is
// recovered is always a beginning of what was appended, and appending the rest makes it whole.
func TestRecoveryCutsTornFiles(t *testing.T) {
	t.Parallel()
	lines := archivetest.LongLines(4_000, 3)
	dir := t.TempDir()
	log := archivetest.OpenLog(t, archivetest.OpenSpool(t, dir, 1<<30), archivetest.Instance("main"))
	for n, line := range lines {
		if _, err := log.Append(line); err != nil {
			t.Fatal(err)
		}
		if n > 3_900 && n%20 == 0 {
			if err := log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".log", ".tail"} {
		whole, err := os.ReadFile(filepath.Join(dir, string(archivetest.Pod.PodUID), "main.0"+ext))
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(whole)/23)
		for size := 0; size <= len(whole); size += step {
			t.Run(fmt.Sprintf("%s cut at %d", ext, size), func(t *testing.T) {
				torn := t.TempDir()
				copyFolder(t, torn, dir)
				if err := os.Truncate(filepath.Join(torn, string(archivetest.Pod.PodUID), "main.0"+ext), int64(size)); err != nil {
					t.Fatal(err)
				}
				recovered := archivetest.OpenLog(t, archivetest.OpenSpool(t, torn, 1<<30), archivetest.Instance("main"))
				n := int(recovered.Summary().Lines)
				linetest.WantLines(t, archivetest.HeldLines(t, recovered), lines[:n])
				if _, err := recovered.Append(lines[n:]...); err != nil {
					t.Fatalf("Append after recovery: %v", err)
				}
				linetest.WantLines(t, archivetest.HeldLines(t, recovered), lines)
				if _, err := recovered.End(); err != nil {
					t.Fatalf("End: %v", err)
				}
			})
		}
	}
}

// TestRecoveryOfStaleTail is a crash between a frame's way into .log and the cutting of .tail.
func TestRecoveryOfStaleTail(t *testing.T) {
	lines := archivetest.ManyLines(6000, 4)
	dir := t.TempDir()
	tail := filepath.Join(dir, string(archivetest.Pod.PodUID), "main.0.tail")
	log := archivetest.OpenLog(t, archivetest.OpenSpool(t, dir, 1<<30), archivetest.Instance("main"))
	if _, err := log.Append(lines[:100]...); err != nil {
		t.Fatal(err)
	}
	log.Gap(archive.Gap{AfterLine: 100, Reason: archive.GapRotated})
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	stale, err := os.ReadFile(tail)
	if err != nil {
		t.Fatal(err)
	}
	for log.Summary().Lines < 6000 && archivetest.FileSize(t, tail) > 0 {
		n := log.Summary().Lines
		if _, err := log.Append(lines[n : n+10]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	n := log.Summary().Lines
	if err := os.WriteFile(tail, stale, 0o600); err != nil {
		t.Fatal(err)
	}
	recovered := archivetest.OpenLog(t, archivetest.OpenSpool(t, dir, 1<<30), archivetest.Instance("main"))
	if got := recovered.Summary().Lines; got > n || got < 100 {
		t.Fatalf("recovered %d lines of %d", got, n)
	}
	linetest.WantLines(t, archivetest.HeldLines(t, recovered), lines[:recovered.Summary().Lines])
	if got := len(recovered.Summary().Gaps); got != 1 {
		t.Errorf("recovered %d gaps, want 1", got)
	}
}

func TestUnknownFilesStay(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "pod-uid")
	if err := os.MkdirAll(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"main.0.json", "notes.txt", "x.json"} {
		if err := os.WriteFile(filepath.Join(odd, name), []byte("not what you think"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spool := archivetest.OpenSpool(t, dir, 1<<30)
	if got := spool.Open(); got != 0 {
		t.Errorf("%d logs open, want 0", got)
	}
	for _, name := range []string{"main.0.json", "notes.txt", "x.json"} {
		if _, err := os.Stat(filepath.Join(odd, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func copyFolder(t testing.TB, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
