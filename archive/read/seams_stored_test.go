package read_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
)

// turnedPod keeps a pod with a log in three files.
func turnedPod(t *testing.T, s *archivetest.Shelf) archive.Instance {
	t.Helper()
	i := archivetest.KeptInstance{Job: "turned", Pod: "turned-e5", Container: "main", Kind: archive.KindMain}.Instance()
	log := archivetest.OpenLog(t, s.Spool, i)
	for n := range 3 {
		if n > 0 {
			log.Rotated()
		}
		if _, err := log.Append(archive.Line{Time: archivetest.AtSecond(n).UnixNano(), Text: []byte("line")}); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func sealTurned(t *testing.T, s *archivetest.Shelf, i archive.Instance) {
	t.Helper()
	record, err := s.Sealer.Log(t.Context(), archivetest.OpenLog(t, s.Spool, i))
	if err != nil {
		t.Fatal(err)
	}
	m := &archive.Manifest{
		Pod: archive.PodSummary{PodRef: i.PodRef, CreatedAt: archivetest.AtSecond(0)}, Job: &archive.JobSummary{Name: i.Job, UID: i.JobUID, CreatedAt: archivetest.AtSecond(0)},
		Instances: []archive.InstanceRecord{record},
	}
	if err := s.Sealer.Pod(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// TestSeamsOfALog: they are known while the log is open, where its object is stored and the pod is open still, and for
// ever.
func TestSeamsOfALog(t *testing.T) {
	s := archivetest.NewShelf(t)
	i := turnedPod(t, s)
	q := archive.Query{Target: archive.Target{Namespace: "ns", Pod: i.Pod}}
	wantSeams := func(when string, verdict archive.Verdict) {
		t.Helper()
		a, err := s.Reader.Read(t.Context(), q)
		if err != nil || len(a.Logs) != 1 || a.Logs[0].Verdict != verdict || a.Logs[0].Seams != 2 {
			t.Errorf("%s: got %+v (%v), want verdict %q with 2 seams", when, a, err, verdict)
		}
	}
	wantSeams("open", "")
	if _, err := s.Sealer.Log(t.Context(), archivetest.OpenLog(t, s.Spool, i)); err != nil {
		t.Fatal(err)
	}
	wantSeams("stored", archive.Seamed)
	sealTurned(t, s, i)
	wantSeams("sealed", archive.Seamed)
}

// TestSealedBeforeSeamed: an archive from before there was the verdict has seams under another name, and says complete.
// It is read as if it were written today, and nothing of it is damaged; one that hides its seams is.
func TestSealedBeforeSeamed(t *testing.T) {
	s := archivetest.NewShelf(t)
	i := turnedPod(t, s)
	sealTurned(t, s, i)
	seams := regexp.MustCompile(`\s*"(seams|reason)": [^\n]*`)
	for _, tt := range []struct {
		name, log   string
		wantVerdict archive.Verdict
		damaged     bool
	}{
		{"as it was", `"rotations": 2, "key":`, archive.Seamed, false},
		{"hidden", `"key":`, archive.Complete, true},
	} {
		changed := 0
		store := copyOf(t, s.Store, func(key archive.Key, b []byte) []byte {
			if !strings.HasSuffix(string(key), "manifest.json") {
				return b
			}
			changed++
			b = bytes.Replace(seams.ReplaceAll(b, nil), []byte(`"seamed"`), []byte(`"complete"`), 1)
			return bytes.Replace(b, []byte(`"key":`), []byte(tt.log), 1)
		})
		r := read.New(find.Config{Store: store, Codec: archivetest.OneCodec})
		m, _, err := r.Manifest(t.Context(), i.PodRef)
		if err != nil || changed != 1 {
			t.Fatalf("%s: %v after %d changes", tt.name, err, changed)
		}
		if got := m.Instances[0]; got.Verdict != tt.wantVerdict || (got.Seams == 2) == tt.damaged {
			t.Errorf("%s: got %s with %d seams, want %s", tt.name, got.Verdict, got.Seams, tt.wantVerdict)
		}
		for c, err := range r.Verify(t.Context(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			if c.Record != nil && errors.Is(c.Err, archive.ErrDamaged) != tt.damaged {
				t.Errorf("%s: verify says %v", tt.name, c.Err)
			}
		}
	}
}
