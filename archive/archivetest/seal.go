package archivetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

const Workload = "11111111-2222-3333-4444-555555555555"

// Replica is one life of the daemon's part that seals: what start-up does, on the spool that the one before left.
type Replica struct {
	T      *testing.T
	Spool  *spool.Spool
	Sealer *seal.Sealer
	Failed atomic.Int64
}

func NewReplica(t *testing.T, dir string, store archive.Store) *Replica {
	r := &Replica{T: t, Spool: OpenSpool(t, dir, 1<<30)}
	r.Sealer = seal.New(store, r.Spool, "replica-0", slog.New(slog.DiscardHandler), func(error) { r.Failed.Add(1) })
	return r
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

func (r *Replica) Append(container string, lines []archive.Line) {
	r.T.Helper()
	if _, err := OpenLog(r.T, r.Spool, Instance(container)).Append(lines...); err != nil {
		r.T.Fatal(err)
	}
	if err := OpenLog(r.T, r.Spool, Instance(container)).Flush(); err != nil {
		r.T.Fatal(err)
	}
}

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
	err := NewCodec(t).Lines(t.Context(), store, r.Log.Key, 0, func(l archive.Line) bool {
		lines = append(lines, archive.Line{Time: l.Time, Text: bytes.Clone(l.Text), Partial: l.Partial})
		return true
	})
	if err != nil {
		t.Fatalf("Lines: %v", err)
	}
	SameLines(t, lines, want)
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
