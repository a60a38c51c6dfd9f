package archivetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// Replica is one life of the daemon's part that seals: what start-up does, on the spool that the one before left.
type Replica struct {
	T      *testing.T
	Spool  *spool.Spool
	Sealer *seal.Sealer
	Failed atomic.Int64
}

// NewReplica starts the sealing part of a replica on the spool in dir. Failed counts the tries that the store refused.
func NewReplica(t *testing.T, dir string, store archive.Store) *Replica {
	r := &Replica{T: t, Spool: OpenSpool(t, dir, 1<<30)}
	r.Sealer = seal.New(store, r.Spool, "replica-0", slog.New(slog.DiscardHandler), func(error) { r.Failed.Add(1) })
	return r
}

// Append appends lines to a log of Pod and flushes them to the disk.
func (r *Replica) Append(container string, lines []archive.Line) {
	r.T.Helper()
	if _, err := OpenLog(r.T, r.Spool, Instance(container)).Append(lines...); err != nil {
		r.T.Fatal(err)
	}
	if err := OpenLog(r.T, r.Spool, Instance(container)).Flush(); err != nil {
		r.T.Fatal(err)
	}
}

// Say appends one line to an instance's log.
func (r *Replica) Say(i archive.Instance, text string) {
	r.T.Helper()
	if _, err := OpenLog(r.T, r.Spool, i).Append(archive.Line{Time: Start, Text: []byte(text)}); err != nil {
		r.T.Fatal(err)
	}
}

// HeldLog is what a replica holds of a log: its first lines, and a gap behind them or none.
type HeldLog struct {
	Lines int
	Gap   bool
}

// Hold has the replica hold the first of the lines in its log "main", with or without a gap behind them that nothing
// proves.
func (r *Replica) Hold(lines []archive.Line, h HeldLog) *spool.Log {
	r.T.Helper()
	r.Append("main", lines[:h.Lines])
	log := OpenLog(r.T, r.Spool, Instance("main"))
	if h.Gap {
		log.Gap(archive.Gap{AfterLine: int64(h.Lines), Reason: archive.GapDeleted, Unproven: true})
	}
	return log
}

// SaveDraft saves a pod's manifest as far as it is known.
func (r *Replica) SaveDraft(m archive.Manifest) {
	r.T.Helper()
	if err := r.Spool.SaveDraft(&archive.Draft{Manifest: m}); err != nil {
		r.T.Fatal(err)
	}
}

// Seal does what the watcher does with an ended pod: every log, then the pod.
func (r *Replica) Seal(ctx context.Context, containers ...string) error {
	m := &archive.Manifest{Pod: archive.PodSummary{PodRef: Pod, Phase: "Succeeded"}, Workloads: []string{Workload}}
	m.Job = &archive.JobSummary{Name: Pod.Job, UID: Pod.JobUID, CreatedAt: time.Unix(0, Start)}
	for _, name := range containers {
		log, err := r.Spool.Log(Instance(name))
		if err != nil {
			return err
		}
		record, err := r.Sealer.Log(ctx, log)
		if err != nil {
			return err
		}
		m.Instances = append(m.Instances, record)
	}
	return r.Sealer.Pod(ctx, m)
}

// CheckLog fails the test unless a record's log object holds just the lines that are wanted, whole and complete, as its
// record, zstd and this program read it. Without lines there must be no object.
func CheckLog(t *testing.T, store *storetest.Memory, r *archive.InstanceRecord, want []archive.Line) {
	t.Helper()
	if len(want) == 0 {
		if r.Verdict != archive.Empty || r.Log != nil {
			t.Errorf("%s: verdict %s with log %v, want empty without", r.Container, r.Verdict, r.Log)
		}
		return
	}
	if r.Verdict != archive.Complete || r.Log == nil {
		t.Fatalf("%s: verdict %s (%s), want complete", r.Container, r.Verdict, r.Reason)
	}
	object, ok := store.Bytes(r.Log.Key)
	if !ok || int64(len(object)) != r.Log.Size {
		t.Fatalf("%s: object of %d bytes (there: %t), manifest says %d", r.Container, len(object), ok, r.Log.Size)
	}
	plain := Decompress(t, object)
	sum := sha256.Sum256(plain)
	if string(plain) != text(want) || hex.EncodeToString(sum[:]) != r.Log.SHA256 || int64(len(plain)) != r.Log.Bytes {
		t.Errorf("%s: the object's text is not what was appended", r.Container)
	}
	var lines []archive.Line
	err := StoredLines(t.Context(), NewCodec(t), store, r.Log.Key, 0, func(l archive.Line) bool {
		lines = append(lines, archive.Line{Time: l.Time, Text: bytes.Clone(l.Text), Partial: l.Partial})
		return true
	})
	if err != nil {
		t.Fatalf("Lines: %v", err)
	}
	linetest.WantLines(t, lines, want)
}

// Decompress reads a log object as any zstd tool does.
func Decompress(t *testing.T, object []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	plain, err := d.DecodeAll(object, nil)
	if err != nil {
		t.Fatalf("decompress object: %v", err)
	}
	return plain
}

func text(lines []archive.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.Write(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
