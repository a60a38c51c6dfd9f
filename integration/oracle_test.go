//go:build integration

package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// manifest waits until the pod is sealed.
func (r *rig) manifest(p *kubelet.Pod) *archive.Manifest {
	r.t.Helper()
	ref := archive.PodRef{
		Namespace: p.Namespace(), Job: r.job.Name, JobUID: archive.JobUID(r.job.UID), Pod: p.Name(), PodUID: archive.PodUID(p.UID()),
	}
	var m *archive.Manifest
	r.await("the manifest of "+p.Name(), func() bool {
		// Past the faults: the test only looks.
		body, _, err := r.set.store.Get(r.ctx, ref.ManifestKey(), archive.Range{})
		if err != nil {
			return false
		}
		defer body.Close()
		if m, err = archive.ReadManifest(body); err != nil {
			r.t.Fatalf("read manifest: %v", err)
		}
		return true
	})
	return m
}

// settled reports whether the daemon has read an instance's log to its end and ended it.
func (r *rig) settled(p *kubelet.Pod, c *kubelet.Instance) bool {
	for _, log := range r.daemon.spool.Logs(archive.PodUID(p.UID())) {
		if log.Instance().ContainerID == c.ID() {
			return log.Ended()
		}
	}
	return false
}

// held returns the number of lines that the daemon's spool holds of an instance.
func (r *rig) held(p *kubelet.Pod, c *kubelet.Instance) int64 {
	for _, log := range r.daemon.spool.Logs(archive.PodUID(p.UID())) {
		if log.Instance().ContainerID == c.ID() {
			return log.Summary().Lines
		}
	}
	return 0
}

// sameLines checks that the archive holds what was written, each line once, in any order.
func (r *rig) sameLines(record archive.InstanceRecord, c *kubelet.Instance) {
	r.t.Helper()
	count := map[string]int{}
	for _, l := range r.lines(record) {
		count[oracle.Show(l)]++
	}
	for _, l := range c.Lines() {
		count[oracle.Show(l)]--
	}
	for text, n := range count {
		if n != 0 {
			r.t.Errorf("%s is in the archive %+d times more than it was written", text, n)
		}
	}
}

// record returns the manifest's record of an instance.
func (r *rig) record(m *archive.Manifest, c *kubelet.Instance) archive.InstanceRecord {
	r.t.Helper()
	for _, record := range m.Instances {
		if record.ContainerID == c.ID() {
			return record
		}
	}
	r.t.Fatalf("the manifest has no record of %s; it has %+v", c.ID(), m.Instances)
	return archive.InstanceRecord{}
}

// lines returns what the log object of a record holds.
func (r *rig) lines(record archive.InstanceRecord) []kubelet.Line {
	r.t.Helper()
	if record.Log == nil {
		return nil
	}
	var lines []kubelet.Line
	sum := sha256.New()
	err := archivetest.StoredLines(r.ctx, r.codec, r.set.store, record.Log.Key, 0, func(l archive.Line) bool {
		line := kubelet.Line{Text: string(l.Text), Partial: l.Partial}
		if l.Time != 0 {
			line.Time = timeOf(l.Time)
		}
		lines = append(lines, line)
		sum.Write(l.Text)
		if !l.Partial {
			sum.Write([]byte("\n"))
		}
		return true
	})
	if err != nil {
		r.t.Fatalf("read log object: %v", err)
	}
	if got, want := int64(len(lines)), record.Log.Lines; got != want {
		r.t.Errorf("the log object holds %d lines, the manifest says %d", got, want)
	}
	if got, want := hex.EncodeToString(sum.Sum(nil)), record.Log.SHA256; got != want {
		r.t.Errorf("the log object's text has sum %s, the manifest says %s", got, want)
	}
	return lines
}

// complete waits for the seal and checks that the archive holds all that the instance wrote.
func (r *rig) complete(p *kubelet.Pod, c *kubelet.Instance) archive.InstanceRecord {
	r.t.Helper()
	record := r.proven(p, c)
	if err := oracle.Whole(record, c); err != nil {
		r.t.Error(err)
	}
	return record
}

// partial waits for the seal and checks that lines are missing only inside gaps, and the gaps' reasons.
func (r *rig) partial(p *kubelet.Pod, c *kubelet.Instance, reasons ...archive.GapReason) archive.InstanceRecord {
	r.t.Helper()
	record := r.proven(p, c)
	var got []archive.GapReason
	for _, g := range record.Gaps {
		got = append(got, g.Reason)
	}
	if !slices.Equal(got, reasons) {
		r.t.Errorf("got gaps %+v, want reasons %v", record.Gaps, reasons)
	}
	return record
}

// proven waits for the seal and checks that what is not inside a recorded gap is in the archive exactly once, in order.
func (r *rig) proven(p *kubelet.Pod, c *kubelet.Instance) archive.InstanceRecord {
	r.t.Helper()
	record := r.record(r.manifest(p), c)
	if err := oracle.Accounted(r.lines(record), c.Lines(), record.Gaps); err != nil {
		r.t.Error(err)
	}
	return record
}
