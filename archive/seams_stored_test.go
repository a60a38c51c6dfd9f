package archive_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// turnedPod keeps a pod with a log in three files.
func turnedPod(t *testing.T, s *shelf) archive.Instance {
	t.Helper()
	i := kept{job: "turned", pod: "turned-e5", container: "main", kind: archive.KindMain}.instance()
	log := openLog(t, s.spool, i)
	for n := range 3 {
		if n > 0 {
			log.Rotated()
		}
		if _, err := log.Append(archive.Line{Time: second(n).UnixNano(), Text: []byte("line")}); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

func sealTurned(t *testing.T, s *shelf, i archive.Instance) {
	t.Helper()
	record, err := s.sealer.Log(t.Context(), openLog(t, s.spool, i))
	if err != nil {
		t.Fatal(err)
	}
	m := &archive.Manifest{
		Pod: archive.PodSummary{PodRef: i.PodRef, CreatedAt: second(0)}, Job: &archive.JobSummary{Name: i.Job, UID: i.JobUID, CreatedAt: second(0)},
		Instances: []archive.InstanceRecord{record},
	}
	if err := s.sealer.Pod(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// TestSeamsOfALog: they are known while the log is open, where its object is stored and the pod is open still, and for ever.
func TestSeamsOfALog(t *testing.T) {
	s := newShelf(t)
	i := turnedPod(t, s)
	q := archive.Query{Target: archive.Target{Namespace: "ns", Pod: i.Pod}}
	wantSeams := func(when string, verdict archive.Verdict) {
		t.Helper()
		a, err := s.reader.Read(t.Context(), q)
		if err != nil || len(a.Logs) != 1 || a.Logs[0].Verdict != verdict || a.Logs[0].Seams != 2 {
			t.Errorf("%s: got %+v (%v), want verdict %q with 2 seams", when, a, err, verdict)
		}
	}
	wantSeams("open", "")
	if _, err := s.sealer.Log(t.Context(), openLog(t, s.spool, i)); err != nil {
		t.Fatal(err)
	}
	wantSeams("stored", archive.Seamed)
	sealTurned(t, s, i)
	wantSeams("sealed", archive.Seamed)
}

// TestSealedBeforeSeamed: an archive from before there was the verdict has seams under another name, and says complete. It is
// read as if it were written today, and nothing of it is damaged; one that hides its seams is.
func TestSealedBeforeSeamed(t *testing.T) {
	s := newShelf(t)
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
		store := copyOf(t, s.store, func(key archive.Key, b []byte) []byte {
			if !strings.HasSuffix(string(key), "manifest.json") {
				return b
			}
			changed++
			b = bytes.Replace(seams.ReplaceAll(b, nil), []byte(`"seamed"`), []byte(`"complete"`), 1)
			return bytes.Replace(b, []byte(`"key":`), []byte(tt.log), 1)
		})
		r := archive.NewReader(archive.ReaderConfig{Store: store, Codec: oneCodec})
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
