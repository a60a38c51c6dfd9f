package spool

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
)

// FuzzSpool opens a spool of hostile files. What is recovered must be readable, and the log must be usable.
func FuzzSpool(f *testing.F) {
	c := spoolCodec(f)
	i := archive.Instance{PodRef: archive.PodRef{Namespace: "ns", Pod: "p", PodUID: "uid"}, Container: "c", Kind: archive.KindMain}
	object, _ := objectBytes(f, endedLog(f, append(linetest.EqualTimes(4), linetest.FrameTables["no time later"]...), 0))
	frame := &format.Frame{FirstLine: 7, Gaps: []archive.Gap{{Reason: archive.GapRotated}}}
	for _, line := range linetest.EqualTimes(2) {
		frame.Add(&line)
	}
	small, _, err := c.Encode(nil, frame)
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
			write("c.0"+SealedExt, record)
		}
		s, err := Open(Config{Dir: dir, Limit: 1 << 30, Memory: 1 << 20, FlushInterval: time.Second}, c, slog.New(slog.DiscardHandler))
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
	if err := l.Held(0, func(archive.Line) bool { held++; return true }); err != nil && !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrGone) {
		t.Fatalf("Held: %v", err)
	}
	if !l.Ended() {
		if n, err := l.Append(archive.Line{Time: linetest.Base, Text: []byte("more")}); n != 1 || err != nil {
			t.Fatalf("Append: %d, %v", n, err)
		}
	}
	if _, err := l.End(); err != nil && !errors.Is(err, archive.ErrDamaged) {
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
