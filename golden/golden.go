// Package golden compares what is generated with what is committed. Only tests import it; a test binary that does has
// the flag -update, which rewrites the files. `make verify` runs such packages as they are and `make update` with the
// flag: it finds them by this import.
package golden

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

// The flag package has no other way to declare a flag of the test binary.
var update = flag.Bool("update", false, "rewrite generated files")

// Compare fails the test where the file at path, relative to the package's folder, does not hold got, and shows the
// first line that differs. Under -update it writes the file.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v; make update writes it", err)
		return
	}
	if !bytes.Equal(got, want) {
		line, got, want := firstDifference(got, want)
		t.Errorf("%s is stale from line %d on; make update rewrites it\n got %q\nwant %q", path, line, got, want)
	}
}

// firstDifference returns the first line, counted from 1, in which two texts that are not equal differ.
func firstDifference(a, b []byte) (line int, inA, inB []byte) {
	for line = 1; ; line++ {
		var moreA, moreB bool
		inA, a, moreA = bytes.Cut(a, []byte("\n"))
		inB, b, moreB = bytes.Cut(b, []byte("\n"))
		if !bytes.Equal(inA, inB) || moreA != moreB {
			return line, inA, inB
		}
	}
}
