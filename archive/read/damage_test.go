package read_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// damagedLog gives a sealed log of frames of ten lines and a reader of a copy of the store in which change changed the
// log object.
func damagedLog(t *testing.T, lines []archive.Line, change func(b []byte, x *format.Index) []byte) *read.Reader {
	t.Helper()
	return damagedLogAs(t, 2, lines, change)
}

// damagedLogAs makes a log object of a version.
func damagedLogAs(t *testing.T, version int, lines []archive.Line, change func(b []byte, x *format.Index) []byte) *read.Reader {
	t.Helper()
	s := archivetest.NewShelf(t)
	log := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main"))
	for some := range slices.Chunk(lines, 10) {
		if _, err := log.Append(some...); err != nil {
			t.Fatal(err)
		}
		if err := log.CloseFrame(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	x, err := format.ReadIndex(t.Context(), s.Store, archivetest.Instance("main").LogKey())
	if err != nil {
		t.Fatal(err)
	}
	return read.New(find.Config{Store: copyOf(t, s.Store, func(key archive.Key, b []byte) []byte {
		if key == archivetest.Instance("main").LogKey() {
			if version == 1 {
				if b, err = format.HeadsFirst(b, x); err != nil {
					t.Fatal(err)
				}
			}
			return change(b, x)
		}
		return b
	}), Codec: archivetest.OneCodec})
}

func copyOf(t *testing.T, from *storetest.Memory, change func(archive.Key, []byte) []byte) *storetest.Memory {
	t.Helper()
	to := storetest.NewMemory(nil)
	for _, key := range from.Keys() {
		b, _ := from.Bytes(key)
		if err := to.Put(t.Context(), key, bytes.NewReader(change(key, b)), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// readOn reads an answer to its end, over all damage.
func readOn(t *testing.T, r *read.Reader, q archive.Query) (entries []archive.Entry, damage []*archive.DamageError) {
	t.Helper()
	a, err := r.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range a.Entries {
		var d *archive.DamageError
		switch {
		case errors.As(err, &d):
			damage = append(damage, d)
		case err != nil:
			t.Fatal(err)
		default:
			e.Text = bytes.Clone(e.Text)
			entries = append(entries, e)
		}
	}
	return entries, damage
}

func TestDamageIsToldAndTheRestIsRead(t *testing.T) {
	lines := archivetest.LinesTimedByNumber(50)
	key := archivetest.Instance("main").LogKey()
	type told struct {
		frame       int
		after, lost int64
	}
	for _, test := range []struct {
		name   string
		change func(b []byte, x *format.Index) []byte
		want   []told
		lost   []int64 // frames of ten lines that cannot be read
	}{
		{"text", func(b []byte, x *format.Index) []byte {
			b[dataOf(x, 2)+20] ^= 1
			return b
		}, []told{{2, 20, 10}}, []int64{2}},
		{"head", func(b []byte, x *format.Index) []byte {
			b[headOf(x, 4)+20] ^= 1
			return b
		}, []told{{4, 40, 10}}, []int64{4}},
		{"index", func(b []byte, x *format.Index) []byte {
			last := x.Frames[4]
			b[last.Offset+last.HeadSize+last.DataSize+15] ^= 1
			return b
		}, []told{{-1, 0, 0}}, nil},
		{"index and a text", func(b []byte, x *format.Index) []byte {
			last := x.Frames[4]
			b[last.Offset+last.HeadSize+last.DataSize+15] ^= 1
			b[dataOf(x, 1)+20] ^= 1
			return b
		}, []told{{-1, 0, 0}, {1, 10, 10}}, []int64{1}},
		{"index and the first head", func(b []byte, x *format.Index) []byte {
			b[len(b)-1] ^= 1
			b[headOf(x, 0)+1] ^= 1
			return b
		}, []told{{-1, 0, 0}, {0, 0, 10}}, []int64{0}},
		{"index and the first bytes of two texts", func(b []byte, x *format.Index) []byte {
			b[len(b)-1] ^= 1
			b[dataOf(x, 0)] ^= 1
			b[dataOf(x, 3)+2] ^= 1
			return b
		}, []told{{-1, 0, 0}, {0, 0, 10}, {3, 30, 10}}, []int64{0, 3}},
		{"index, and bytes before the first frame", func(b []byte, x *format.Index) []byte {
			b[len(b)-1] ^= 1
			return append([]byte("\x28\xb5\x2f\xfdnothing of ours"), b...)
		}, []told{{-1, 0, 0}, {0, 0, 0}}, nil},
		{"the end is cut off", func(b []byte, x *format.Index) []byte {
			return b[:x.Frames[3].Offset+10]
		}, []told{{-1, 0, 0}, {3, 30, 20}}, []int64{3, 4}},
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%s in version %d", test.name, version), func(t *testing.T) {
				r := damagedLogAs(t, version, lines, test.change)
				entries, damage := readOn(t, r, archive.Query{Target: archivetest.WholeJob})
				var got []told
				for _, d := range damage {
					got = append(got, told{d.Frame, d.AfterLine, d.Lines})
					if d.Key != key || !errors.Is(d, archive.ErrDamaged) || d.Instance != archivetest.Instance("main") {
						t.Errorf("damage %v: key %s, instance %s, want %s of %s and ErrDamaged", d, d.Key, d.Instance, key, archivetest.Instance("main"))
					}
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("told of %+v, want %+v", got, test.want)
				}
				readsAllBut(t, entries, lines, test.lost)
				testStopAtDamage(t, r)
				testVerifyFinds(t, r, key)
			})
		}
	}
}

func headOf(x *format.Index, n int) int64 {
	head, _ := x.Frames[n].Parts()
	return head
}

func dataOf(x *format.Index, n int) int64 {
	_, data := x.Frames[n].Parts()
	return data
}

// readsAllBut wants all lines but those of the frames of ten lines that are lost.
func readsAllBut(t *testing.T, entries []archive.Entry, lines []archive.Line, lost []int64) {
	t.Helper()
	var want, numbers []int64
	for n := range int64(len(lines)) {
		if !slices.Contains(lost, n/10) {
			want = append(want, n+1)
		}
	}
	for _, e := range entries {
		numbers = append(numbers, e.Number)
		if !bytes.Equal(e.Text, lines[e.Number-1].Text) {
			t.Errorf("line %d is %q, want %q", e.Number, e.Text, lines[e.Number-1].Text)
		}
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("lines %v, want %v", numbers, want)
	}
}

// TestObjectOfAnotherSealing: an object that is whole and not the one that the manifest is of is told once, before its
// lines, however few of them are wanted.
func TestObjectOfAnotherSealing(t *testing.T) {
	key := archivetest.Instance("main").LogKey()
	other := func(lines []archive.Line) []byte {
		var object []byte
		damagedLog(t, lines, func(b []byte, _ *format.Index) []byte {
			object = bytes.Clone(b)
			return b
		})
		return object
	}
	three := int64(3)
	for _, test := range []struct {
		name  string
		lines []archive.Line
		query archive.Query
		want  []int64
	}{
		{"fewer lines", archivetest.LinesTimedByNumber(40), archive.Query{Tail: &three}, []int64{38, 39, 40}},
		{"more lines", archivetest.LinesTimedByNumber(60), archive.Query{FirstLine: 50}, []int64{50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60}},
		{"none of them wanted", archivetest.LinesTimedByNumber(40), archive.Query{Grep: &archive.Grep{Pattern: "nothing of it"}}, nil},
		{"as many lines, with another text", append(archivetest.LinesTimedByNumber(49), archive.Line{Time: archivetest.LinesTimedByNumber(50)[49].Time, Text: []byte("else")}),
			archive.Query{LastLine: 2}, []int64{1, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := other(test.lines)
			r := damagedLog(t, archivetest.LinesTimedByNumber(50), func([]byte, *format.Index) []byte { return object })
			test.query.Target = archivetest.WholeJob
			entries, damage := readOn(t, r, test.query)
			var got []int64
			for _, e := range entries {
				got = append(got, e.Number)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("lines %v, want %v", got, test.want)
			}
			if len(damage) != 1 || damage[0].Key != key || !strings.Contains(damage[0].Error(), "its manifest says") {
				t.Errorf("told of %v, want one word on %s", damage, key)
			}
			testVerifyFinds(t, r, key)
		})
	}
}

// testStopAtDamage: whoever stops at the damage is given nothing more.
func testStopAtDamage(t *testing.T, r *read.Reader) {
	t.Helper()
	a, err := r.Read(t.Context(), archive.Query{Target: archivetest.WholeJob})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range a.Entries {
		if err != nil {
			return
		}
	}
	t.Error("no error, want one for the damage")
}

func testVerifyFinds(t *testing.T, r *read.Reader, key archive.Key) {
	t.Helper()
	found := false
	for c, err := range r.Verify(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Err == nil {
			continue
		}
		if found = true; c.Record == nil || c.Record.Log.Key != key || !errors.Is(c.Err, archive.ErrDamaged) {
			t.Errorf("Verify: %v of %+v, want ErrDamaged of %s", c.Err, c.Record, key)
		}
	}
	if !found {
		t.Error("Verify found no damage")
	}
}

// TestDamagedManifest: what its log objects say stands in for it.
func TestDamagedManifest(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := archivetest.LinesTimedByNumber(30)
	s.Append("main", lines)
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	r := read.New(find.Config{Store: copyOf(t, s.Store, func(key archive.Key, b []byte) []byte {
		if strings.HasSuffix(string(key), "manifest.json") {
			return b[:len(b)/2]
		}
		return b
	}), Codec: archivetest.OneCodec})
	a, entries := archivetest.ReadWhole(t, r, archive.Query{Target: archivetest.WholeJob})
	if diff := archivetest.Difference(entries, archivetest.Oracle(lines, archivetest.Instance("main"), archive.Query{})); diff != "" {
		t.Error(diff)
	}
	if len(a.Logs) != 1 || a.Logs[0].Verdict != archive.Complete {
		t.Errorf("logs %+v, want one that is complete", a.Logs)
	}
	m, _, err := r.Manifest(t.Context(), archive.PodRef{Namespace: archivetest.Pod.Namespace, Job: archivetest.Pod.Job, JobUID: archivetest.Pod.JobUID, Pod: archivetest.Pod.Pod, PodUID: archivetest.Pod.PodUID})
	if !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("Manifest: %+v, %v, want ErrDamaged", m, err)
	}
	for c, err := range r.Verify(t.Context(), &archivetest.WholeJob) {
		if err != nil || !errors.Is(c.Err, archive.ErrDamaged) || c.Record != nil {
			t.Errorf("Verify: %+v, %v, want a damaged manifest", c, err)
		}
	}
}

// TestDamagedJournal: what a broken object held is told, and the rest is read.
func TestDamagedJournal(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines, journal := archivetest.LinesTimedByNumber(50), s.Journal()
	for some := range slices.Chunk(lines, 10) {
		s.Append("main", some)
		if err := archivetest.OpenLog(t, s.Spool, archivetest.Instance("main")).CloseFrame(); err != nil {
			t.Fatal(err)
		}
		if err := journal.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	keys := archivetest.JournalKeys(s.Store)
	r := read.New(find.Config{Store: copyOf(t, s.Store, func(key archive.Key, b []byte) []byte {
		switch key {
		case keys[1]:
			b[len(b)-1] ^= 1 // the index
		case keys[3]:
			b[100] ^= 1 // the frame
		}
		return b
	}), Codec: archivetest.OneCodec})
	entries, damage := readOn(t, r, archive.Query{Target: archivetest.WholeJob})
	var lost []int64
	for _, d := range damage {
		lost = append(lost, d.AfterLine, d.Lines)
	}
	if want := []int64{10, 10, 30, 10}; !slices.Equal(lost, want) {
		t.Errorf("lost %v, want %v (%v)", lost, want, damage)
	}
	if len(entries) != 30 || entries[29].Number != 50 {
		t.Errorf("%d lines are left, want 30", len(entries))
	}
}

// TestStoreTroubleEndsAnAnswer: an error of the store is not damage, and the same query with After goes on behind it.
func TestStoreTroubleEndsAnAnswer(t *testing.T) {
	s := archivetest.NewShelf(t)
	lines := archivetest.LinesTimedByNumber(100_000)
	for n := range lines {
		lines[n].Text = fmt.Appendf(lines[n].Text, " %x", sha256.Sum256(lines[n].Text)) // so that it compresses badly
	}
	s.Append("main", lines)
	if err := s.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	s.Faulty.Break(storetest.Fault{Op: storetest.OpGet, Key: "*.log.zst", Skip: 2, Effect: storetest.BreakBody(1000, io.ErrUnexpectedEOF)})
	a, err := s.Reader.Read(t.Context(), archive.Query{Target: archivetest.WholeJob})
	if err != nil {
		t.Fatal(err)
	}
	q := archive.Query{Target: archivetest.WholeJob, After: map[archive.LogID]int64{}}
	var failed error
	for e, err := range a.Entries {
		if err != nil {
			failed = err
			continue
		}
		q.After[e.Instance.ID()] = e.Number
	}
	if !errors.Is(failed, io.ErrUnexpectedEOF) || errors.Is(failed, archive.ErrDamaged) {
		t.Fatalf("answer ended with %v, want the store's error", failed)
	}
	s.Faulty.VerifyAllFired(t)
	if _, rest := archivetest.ReadWhole(t, s.Reader, q); len(rest) != len(lines)-int(q.After[id("main")]) {
		t.Errorf("%d lines after line %d, want all of %d", len(rest), q.After[id("main")], len(lines))
	}
}

func id(container string) archive.LogID {
	i := archivetest.Instance(container)
	return i.ID()
}
