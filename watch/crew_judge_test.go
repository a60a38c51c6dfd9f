package watch

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// settle ends all trouble and all pods.
func (d *drama) settle() {
	d.sleep(time.Minute)
	d.store.Mend()
	for _, r := range d.roles {
		if !r.removed && !r.now().Ended() {
			d.finish(r)
		}
	}
	d.sleep(d.upTo(time.Minute))
}

// judge waits for the end of everything and holds it against what was written.
func (d *drama) judge() {
	for _, r := range d.roles {
		m := d.sealed(r.pod)
		for _, i := range r.all {
			d.judgeInstance(r, m, i)
		}
	}
	for range 12 {
		if !slices.ContainsFunc(d.memory.Keys(), inJournal) {
			break
		}
		time.Sleep(collectEvery)
	}
	for _, key := range d.memory.Keys() {
		if inJournal(key) {
			d.t.Errorf("journal object %s is left", key)
		}
	}
}

func (d *drama) judgeInstance(r *role, m *archive.Manifest, i *kubelet.Instance) {
	d.t.Helper()
	if d.unheard(r, m, i) {
		return
	}
	record := d.record(m, "main", i.Restart())
	lines, written := d.crew.lines(record), i.Lines()
	if err := oracle.Accounted(lines, written, record.Gaps); err != nil && record.Log != nil {
		d.t.Errorf("%s[%d]: %v", r.pod.Name(), i.Restart(), err)
	}
	if record.Log == nil && len(record.Gaps) == 0 && len(written) > 0 && record.Verdict != archive.Lost {
		d.t.Errorf("%s[%d]: got verdict %s (%s) and %d lines were written", r.pod.Name(), i.Restart(), record.Verdict, record.Reason, len(written))
	}
	if files := len(i.Files()); record.Verdict == archive.Complete && files > 1 || record.Verdict == archive.Seamed && files == 1 {
		d.t.Errorf("%s[%d]: got verdict %s with %d seams of %d files", r.pod.Name(), i.Restart(), record.Verdict, record.Seams, files)
	}
	have, unserved, served := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, l := range lines {
		have[l.Text] = true
	}
	for _, l := range i.Unserved() {
		unserved[string(l.Text)] = true
	}
	files := i.Files()
	if !r.removed && i == r.now() {
		for _, l := range files[len(files)-1] {
			served[string(l.Text)] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range written {
		if have[l.Text] {
			continue
		}
		at := d.written[l.Text]
		excused := unserved[l.Text] || d.inTrouble(at)
		if d.durable[l.Text] || served[l.Text] || !excused {
			d.t.Errorf("%s[%d]: line %.20q of %s is missing, durable %t, still served %t, excused %t, gaps %+v, verdict %s", r.pod.Name(), i.Restart(),
				l.Text, at.Format("15:04:05.000"), d.durable[l.Text], served[l.Text], excused, record.Gaps, record.Verdict)
			return
		}
	}
}

// unheard reports that the manifest may do without the instance: only replicas that died before they told anybody had
// heard of it. It wrote nothing, and its pod is gone from the API server, too.
func (d *drama) unheard(r *role, m *archive.Manifest, i *kubelet.Instance) bool {
	known := slices.ContainsFunc(m.Instances, func(r archive.InstanceRecord) bool { return r.Restart == i.Restart() })
	return !known && r.removed && i == r.now() && len(i.Lines()) == 0 && d.inTrouble(r.begun)
}

func (d *drama) inTrouble(at time.Time) bool {
	return slices.ContainsFunc(d.trouble, func(w window) bool { return !at.Before(w.from) && !at.After(w.to) })
}

// witness is the store of one replica; it notes which lines become durable.
type witness struct {
	archive.Store
	drama *drama
	hand  *hand
}

// Put implements archive.Store.
func (w *witness) Put(ctx context.Context, key archive.Key, body io.ReadSeeker, opts archive.PutOptions) error {
	err := w.Store.Put(ctx, key, body, opts)
	if err != nil || !inJournal(key) {
		return err
	}
	reader := journal.NewReader(w.drama.memory, w.drama.codec)
	object, err := reader.Object(ctx, key)
	if err != nil || object.Index == nil {
		return nil // it is not there any more
	}
	for _, p := range object.Index.Pods {
		for _, l := range p.Logs {
			_ = reader.Lines(ctx, object, l.Instance(p.PodRef).ID(), func(line archive.Line) bool {
				w.drama.put(w.hand, string(line.Text))
				return true
			})
		}
	}
	return nil
}

// put: the word of one who was away does not count for what he held when he came back. Others have gone on without.
func (d *drama) put(h *hand, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.written[text]; at.After(d.returned[h.name]) {
		d.durable[text] = true
	}
}
