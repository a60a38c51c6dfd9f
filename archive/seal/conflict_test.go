package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/linetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

// TestLogObjectIsThere has a replica die after its log object, with its disk. Another one held the same log, or another
// part of it. No object is ever replaced, and the manifest vouches for the one that proves more.
func TestLogObjectIsThere(t *testing.T) {
	lines := archivetest.ManyLines(100, 20)
	tests := []struct {
		name          string
		first, second archivetest.HeldLog
		wantLines     int64
		wantVerdict   archive.Verdict
		wantOther     bool
	}{
		{"the same", archivetest.HeldLog{Lines: 100}, archivetest.HeldLog{Lines: 100}, 100, archive.Complete, false},
		{"the same, less proven", archivetest.HeldLog{Lines: 100}, archivetest.HeldLog{Lines: 100, Gap: true}, 100, archive.Complete, false},
		{"more, and ours proven whole", archivetest.HeldLog{Lines: 100, Gap: true}, archivetest.HeldLog{Lines: 50}, 50, archive.Complete, true},
		{"the same, better proven", archivetest.HeldLog{Lines: 100, Gap: true}, archivetest.HeldLog{Lines: 100}, 100, archive.Complete, true},
		{"more", archivetest.HeldLog{Lines: 50, Gap: true}, archivetest.HeldLog{Lines: 100}, 100, archive.Complete, true},
		{"more, but not all", archivetest.HeldLog{Lines: 50, Gap: true}, archivetest.HeldLog{Lines: 70, Gap: true}, 70, archive.Partial, true},
		{"less", archivetest.HeldLog{Lines: 100}, archivetest.HeldLog{Lines: 50, Gap: true}, 100, archive.Complete, false},
		{"nothing", archivetest.HeldLog{Lines: 100}, archivetest.HeldLog{Lines: 0, Gap: true}, 100, archive.Complete, false},
		{"nothing on both sides", archivetest.HeldLog{Lines: 0, Gap: true}, archivetest.HeldLog{Lines: 0, Gap: true}, 0, archive.Lost, false},
	}
	for _, tt := range tests {
		for way, effect := range map[string]storetest.Effect{
			"works": nil, "not stored": storetest.NotStored(nil), "stored but reported failed": storetest.Stored(nil),
		} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					memory := storetest.NewMemory(t)
					first := archivetest.NewReplica(t, t.TempDir(), memory)
					if _, err := first.Sealer.Log(t.Context(), first.Hold(lines, tt.first)); err != nil {
						t.Fatal(err)
					}
					store := &storetest.Faulty{Store: memory}
					if effect != nil {
						store.Break(storetest.Fault{Op: storetest.OpPut, Key: "*.log.zst", Times: 2, Effect: effect})
					}
					second := archivetest.NewReplica(t, t.TempDir(), store)
					second.Hold(lines, tt.second)
					if err := second.Seal(t.Context(), "main"); err != nil {
						t.Fatal(err)
					}
					r := vouched(t, memory)
					if r.Verdict != tt.wantVerdict {
						t.Errorf("got verdict %s, want %s", r.Verdict, tt.wantVerdict)
					}
					if tt.wantLines == 0 {
						return
					}
					if r.Log == nil || r.Log.Lines != tt.wantLines {
						t.Fatalf("got %+v, want %d lines", r.Log, tt.wantLines)
					}
					if got := r.Log.Key != archivetest.Instance("main").LogKey(); got != tt.wantOther {
						t.Errorf("got key %s, want another than the usual one: %t", r.Log.Key, tt.wantOther)
					}
				})
			})
		}
	}
}

// vouched returns the record of the only log in the manifest, after its object was compared with it.
func vouched(t *testing.T, memory *storetest.Memory) archive.InstanceRecord {
	t.Helper()
	raw, _ := memory.Bytes(archivetest.Pod.ManifestKey())
	m, err := archive.ReadManifest(bytes.NewReader(raw))
	if err != nil || len(m.Instances) != 1 {
		t.Fatalf("manifest %s: %v", raw, err)
	}
	r := m.Instances[0]
	if r.Log == nil {
		return r
	}
	object, _ := memory.Bytes(r.Log.Key)
	x, err := format.ReadIndex(t.Context(), memory, r.Log.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := x.Summary
	if s.SHA256 != r.Log.SHA256 || s.Lines != r.Log.Lines || s.Bytes != r.Log.Bytes || r.Log.Size != int64(len(object)) {
		t.Errorf("manifest vouches for %+v, the object of %d bytes holds %+v", *r.Log, len(object), s)
	}
	if got := int64(strings.Count(string(archivetest.Decompress(t, object)), "\n")); got != s.Lines {
		t.Errorf("the object's text has %d lines, its index says %d", got, s.Lines)
	}
	return r
}

func TestDamagedObjectUnderTheKey(t *testing.T) {
	memory := storetest.NewMemory(t)
	key := archivetest.Instance("main").LogKey()
	if err := memory.Put(t.Context(), key, strings.NewReader("half an upl"), archive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	r := archivetest.NewReplica(t, t.TempDir(), memory)
	r.Hold(archivetest.ManyLines(100, 21), archivetest.HeldLog{Lines: 100})
	if err := r.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if got := vouched(t, memory); got.Log.Lines != 100 || got.Log.Key == key {
		t.Errorf("got %+v, want 100 lines under another key", got.Log)
	}
	if !r.Sealer.StoreWorks() {
		t.Error("a damaged object counts as trouble of the store")
	}
}

// TestTwoReplicasSealAtOnce: whoever wins, the manifest vouches for an object that is as it says.
func TestTwoReplicasSealAtOnce(t *testing.T) {
	lines := archivetest.ManyLines(100, 22)
	for round := range 25 {
		memory := storetest.NewMemory(t)
		var both sync.WaitGroup
		for _, h := range []archivetest.HeldLog{{Lines: 100}, {Lines: 60, Gap: true}, {Lines: 80, Gap: true}} {
			r := archivetest.NewReplica(t, t.TempDir(), memory)
			r.Hold(lines, h)
			both.Go(func() {
				if err := r.Seal(t.Context(), "main"); err != nil && !errors.Is(err, seal.ErrSealed) {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		both.Wait()
		vouched(t, memory)
	}
}

// TestRecordCannotBeWrittenOrRead breaks the local writes of a seal.
func TestRecordCannotBeWrittenOrRead(t *testing.T) {
	memory, dir := storetest.NewMemory(t), t.TempDir()
	lines := archivetest.ManyLines(100, 23)
	r := archivetest.NewReplica(t, dir, memory)
	log := r.Hold(lines, archivetest.HeldLog{Lines: 100})
	record := filepath.Join(dir, string(archivetest.Pod.PodUID), "main.0.sealed.json")
	if err := os.Mkdir(record, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sealer.Log(t.Context(), log); err == nil {
		t.Fatal("the seal of a log went on without its record")
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sealer.Log(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The frames are gone and the record cannot be read: what is in the store is found again.
	again := archivetest.NewReplica(t, dir, memory)
	archivetest.OpenLog(t, again.Spool, archivetest.Instance("main")).Gap(archive.Gap{Reason: archive.GapRestart, Unproven: true})
	if err := again.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}

// TestSpoolFileCannotBeRead: the disk's trouble is not the store's, and ends the call.
func TestSpoolFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	r := archivetest.NewReplica(t, dir, storetest.NewMemory(t))
	log := r.Hold(archivetest.ManyLines(100, 24), archivetest.HeldLog{Lines: 100})
	if _, err := log.End(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, string(archivetest.Pod.PodUID), "main.0.log")
	if err := errors.Join(os.Remove(name), os.Mkdir(name, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sealer.Log(t.Context(), log); err == nil {
		t.Error("a log without its file was sealed")
	}
	if !r.Sealer.StoreWorks() {
		t.Error("a bad disk counts as trouble of the store")
	}
}

func TestJobDocumentBrokenWrites(t *testing.T) {
	for way, effect := range map[string]storetest.Effect{"not stored": storetest.NotStored(nil), "stored but reported failed": storetest.Stored(nil)} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := storetest.NewMemory(t)
				store := &storetest.Faulty{Store: memory}
				store.Break(storetest.Fault{Op: storetest.OpPut, Key: "*/job.json", Effect: effect})
				r := archivetest.NewReplica(t, t.TempDir(), store)
				r.Hold(archivetest.ManyLines(10, 25), archivetest.HeldLog{Lines: 10})
				if err := r.Seal(t.Context(), "main"); err != nil {
					t.Fatal(err)
				}
				d := &archive.JobDocument{Namespace: archivetest.Pod.Namespace, Job: archive.JobSummary{Name: archivetest.Pod.Job, UID: archivetest.Pod.JobUID}}
				if _, err := r.Sealer.Job(t.Context(), archivetest.Pod, d); err != nil {
					t.Fatal(err)
				}
				store.VerifyAllFired(t)
				raw, ok := memory.Bytes(archivetest.Pod.JobKey())
				if want := fmt.Sprintf("%q", archivetest.Pod.ManifestKey()); !ok || !bytes.Contains(raw, []byte(want)) {
					t.Errorf("Job document %s does not name %s", raw, want)
				}
			})
		})
	}
}

// TestFramesStayWithoutARecord: a log whose frames left the spool before there is a record would be called empty by the
// next life.
func TestFramesStayWithoutARecord(t *testing.T) {
	memory, dir := storetest.NewMemory(t), t.TempDir()
	lines := archivetest.ManyLines(100, 25)
	r := archivetest.NewReplica(t, dir, memory)
	log := r.Hold(lines, archivetest.HeldLog{Lines: 100})
	if _, err := log.End(); err != nil {
		t.Fatal(err)
	}
	// The record is written over .tail.
	tail := filepath.Join(dir, string(archivetest.Pod.PodUID), "main.0.tail")
	if err := errors.Join(os.RemoveAll(tail), os.Mkdir(tail, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sealer.Log(t.Context(), log); err == nil {
		t.Fatal("the seal of a log went on without its record")
	}
	if err := os.Remove(tail); err != nil {
		t.Fatal(err)
	}
	again := archivetest.NewReplica(t, dir, memory)
	linetest.WantLines(t, archivetest.HeldLines(t, archivetest.OpenLog(t, again.Spool, archivetest.Instance("main"))), lines)
	if err := again.Seal(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	checkArchive(t, memory, map[string][]archive.Line{"main": lines})
}
