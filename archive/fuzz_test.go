package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzFrame decodes hostile frames, also with the checksums made right, as only a forger would.
func FuzzFrame(f *testing.F) {
	c := testCodec(f)
	for name, lines := range frameTables {
		if len(lines) > 100 || name == "longest line" || name == "longest partial" {
			continue
		}
		b, _, err := c.encode(nil, frameOf(1, lines, Gap{Reason: GapRotated}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := c.decode(b); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		b = sealHead(bytes.Clone(b))
		if h, err := decodeHead(b); err == nil && h.DataSize <= int64(len(b))-h.size && h.size >= skippableSize+13 {
			binary.LittleEndian.PutUint32(b[skippableSize+9:], crc32.Checksum(b[h.size:h.size+h.DataSize], castagnoli))
			sealHead(b)
		}
		got, _, err := c.decode(b)
		if err != nil {
			return
		}
		var lines []Line
		if err := got.lines(func(l Line) bool { lines = append(lines, l); return true }); err != nil {
			return
		}
		again, _, err := c.encode(nil, frameOf(got.firstLine, lines, got.gaps...))
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		same, _, err := c.decode(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		wantLines(t, same.all(t), lines)
	})
}

func FuzzIndex(f *testing.F) {
	object, _, _ := objectOf(f, testCodec(f), equalTimes(3), frameTables["no time later"])
	f.Add(object)
	empty, _, _ := objectOf(f, testCodec(f))
	f.Add(empty)
	f.Fuzz(func(t *testing.T, b []byte) {
		seekTable, index, short, err := endSizes(b)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err != nil || short > 0 {
			return
		}
		before := int64(len(b)) - seekTable - index
		b = bytes.Clone(b)
		if end := before + index - indexTail; end > before+skippableSize+9 {
			sum := crc32.Checksum(b[before+skippableSize+9:end], castagnoli)
			binary.LittleEndian.PutUint32(b[before+skippableSize+5:], sum)
		}
		x, err := decodeIndex(b[before:], before)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err == nil && int64(len(x.Frames))*minimalFrameLen > index {
			t.Fatalf("%d frames in %d bytes", len(x.Frames), index)
		}
	})
}

// FuzzSpool opens a spool of hostile files. What is recovered must be readable, and the log must be usable.
func FuzzSpool(f *testing.F) {
	c := testCodec(f)
	i := Instance{PodRef: PodRef{Namespace: "ns", Pod: "p", PodUID: "uid"}, Container: "c", Kind: KindMain}
	object, _, _ := objectOf(f, c, equalTimes(4), frameTables["no time later"])
	small, _, err := c.encode(nil, frameOf(7, equalTimes(2), Gap{Reason: GapRotated}))
	if err != nil {
		f.Fatal(err)
	}
	const identity = `{"namespace":"ns","pod":"p","podUID":"uid","container":"c","kind":"main","restart":0}`
	f.Add(object, small, []byte(identity), []byte(nil))
	f.Add(object[:len(object)-3], small[:len(small)-1], []byte(identity), []byte(`{"container":"c","log":{"lines":3}}`))
	f.Fuzz(func(t *testing.T, log, tail, identity, record []byte) {
		dir := t.TempDir()
		write := func(name string, b []byte) {
			if err := os.WriteFile(filepath.Join(dir, "uid", name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, "uid"), 0o700); err != nil {
			t.Fatal(err)
		}
		write("c.0.log", log)
		write("c.0.tail", tail)
		write("c.0.json", identity)
		if len(record) > 0 {
			write("c.0"+sealedExt, record)
		}
		s, err := OpenSpool(SpoolConfig{Dir: dir, Limit: 1 << 30, Memory: 1 << 20, FlushInterval: time.Second}, c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("OpenSpool: %v", err)
		}
		l, err := s.Log(i)
		if err != nil {
			t.Fatalf("Log: %v", err)
		}
		useRecovered(t, s, l)
	})
}

func useRecovered(t *testing.T, s *Spool, l *Log) {
	held := int64(0)
	if err := l.Held(0, func(Line) bool { held++; return true }); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrGone) {
		t.Fatalf("Held: %v", err)
	}
	if !l.Ended() {
		if n, err := l.Append(Line{Time: base, Text: []byte("more")}); n != 1 || err != nil {
			t.Fatalf("Append: %d, %v", n, err)
		}
	}
	if _, err := l.End(); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatalf("End: %v", err)
	}
	if err := s.Drop("uid"); err != nil {
		t.Fatal(err)
	}
	if used, _ := s.Used(); used != 0 {
		t.Fatalf("%d bytes are counted in an empty spool", used)
	}
	if memory, _ := s.Held(); memory != 0 {
		t.Fatalf("%d bytes of memory are counted without a log", memory)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":"v1","instances":[{"container":"c","gaps":[{"reason":"rotated"}],"log":{"first":"2026-01-01T00:00:00Z"}}]}`))
	f.Add([]byte(`{"version":"v2"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadManifest(bytes.NewReader(b))
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
		if err == nil && m.Version != formatVersion {
			t.Fatalf("took a manifest of version %q", m.Version)
		}
	})
}
