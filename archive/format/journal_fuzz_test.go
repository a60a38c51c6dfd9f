package format

import (
	"encoding/json"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

// FuzzJournalIndex: whatever stands in a journal object, reading it gives an index whose places are in the object and
// whose names stay in the spool, or an error.
func FuzzJournalIndex(f *testing.F) {
	c := testCodec(f)
	x := &JournalIndex{Version: archive.FormatVersion, Replica: "r", Life: "l", Sequence: 1, Pods: []JournalPod{{
		PodRef: archive.PodRef{Namespace: "ns", Pod: "p", PodUID: "uid"}, Draft: &JournalPart{Offset: 0, Size: 5},
		Logs: []JournalLog{{Container: "c", Frames: []JournalFrames{{JournalPart{5, 10}, 0, 7, 40, true}}}},
	}}}
	text, err := json.Marshal(x)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, int64(15))
	f.Add([]byte(`{"version":"v1","pods":[{"podUID":"../x"}]}`), int64(1))
	f.Fuzz(func(t *testing.T, text []byte, before int64) {
		b := append(c.Document(magicJournalIndex, "EPLJ", text, indexTail), make([]byte, indexTail)...)
		x, err := c.decodeJournalIndex(b, before)
		if err != nil {
			return
		}
		for _, p := range x.Pods {
			if !archive.PlainName(string(p.PodUID)) {
				t.Errorf("pod %q", p.PodUID)
			}
			for _, l := range p.Logs {
				for _, r := range l.Frames {
					if r.Offset < 0 || r.Size <= 0 || r.Offset+r.Size > before {
						t.Errorf("frames %+v in an object of %d bytes", r, before)
					}
				}
			}
		}
	})
}

// TestJournalIndexFlippedBits: no flipped bit of an index goes unseen, but in what stands there twice.
func TestJournalIndexFlippedBits(t *testing.T) {
	c := testCodec(t)
	b, err := c.EncodeJournalIndex(&JournalIndex{Version: archive.FormatVersion, Replica: "r", Life: "l", Sequence: 3})
	if err != nil {
		t.Fatal(err)
	}
	if x, err := c.decodeJournalIndex(b, 0); err != nil || x.Sequence != 3 {
		t.Fatalf("decodeJournalIndex() = %+v, %v", x, err)
	}
	for i := range b[:len(b)-indexTail] {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, err := c.decodeJournalIndex(b, 0); err == nil {
				t.Errorf("bit %d of byte %d flipped, and no error", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
}
