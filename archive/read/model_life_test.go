package read_test

import (
	"errors"
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/seal"
)

func (m *readerModel) collect() {
	k := m.r.IntN(2)
	m.note("collect at %d", k)
	m.must(m.lives[k].Journal.Collect(m.t.Context(), archivetest.NoReplica))
	m.note("collected at %d", k)
}

func (m *readerModel) seal(p *playedPod, l *playedLog) {
	if l.record != nil {
		return
	}
	record, err := m.lives[p.owner].Sealer.Log(m.t.Context(), archivetest.OpenLog(m.t, m.lives[p.owner].Spool, l.i))
	m.must(err)
	l.record = &record
	m.note("seal %s", l.i)
}

// sealOld seals the logs of a container but its last one.
func (m *readerModel) sealOld() {
	if p, c := m.some(); p != nil {
		for _, l := range c.logs[:max(0, len(c.logs)-1)] {
			m.seal(p, l)
		}
	}
}

func (m *readerModel) sealPod() {
	if p, _ := m.some(); p != nil && m.r.IntN(3) == 0 {
		m.sealAll(p)
	}
}

func (m *readerModel) sealAll(p *playedPod) {
	for _, c := range p.containers {
		for _, l := range c.logs {
			m.seal(p, l)
		}
	}
	if err := m.lives[p.owner].Sealer.Pod(m.t.Context(), p.manifest("Succeeded")); !errors.Is(err, seal.ErrSealed) {
		m.must(err)
	}
	p.over = true
	m.note("seal pod %s", p.ref.Pod)
}

// finish writes the document of a Job that gets no further pod.
func (m *readerModel) finish() {
	p := m.pods[m.r.IntN(len(m.pods))]
	if m.r.IntN(3) > 0 || slices.ContainsFunc(m.pods, func(o *playedPod) bool { return o.ref.Job == p.ref.Job && !o.over }) {
		return
	}
	m.finishJob(p)
}

func (m *readerModel) finishJob(p *playedPod) {
	ref := p.ref
	ref.Pod, ref.PodUID = "", ""
	_, err := m.lives[max(0, p.owner)].Sealer.Job(m.t.Context(), ref, &archive.JobDocument{
		Namespace: "ns", Job: archive.JobSummary{Name: ref.Job, UID: ref.JobUID, CreatedAt: archivetest.AtSecond(0)}, Workloads: []string{archivetest.Workload},
	})
	m.must(err)
	m.done[ref.Job] = true
	m.note("document of %s", ref.Job)
}

// handOver gives the pods of one Job to the other replica, which takes some time; readers and followers meet them on
// their way.
func (m *readerModel) handOver() {
	p, _ := m.some()
	if p == nil {
		return
	}
	from := p.owner
	m.lives[from].Flush()
	var given []*playedPod
	for _, o := range m.pods {
		if o.ref.Job != p.ref.Job {
			continue
		}
		if !o.over {
			m.must(m.lives[from].Spool.Release(o.ref.PodUID))
		}
		o.owner = -1
		given = append(given, o)
	}
	m.note("replica %d gives %s away", from, p.ref.Job)
	time.Sleep(time.Duration(m.r.IntN(8000)) * time.Millisecond)
	m.read()
	for _, o := range given {
		o.owner = 1 - from
	}
	m.takeOver(1 - from)
	m.note("replica %d has %s", 1-from, p.ref.Job)
}

// restart has a replica die with lines in its memory, and come back on its disk: it reads again what it lost.
func (m *readerModel) restart() {
	k := m.r.IntN(2)
	for _, f := range m.followers {
		if f.at == k {
			m.cut(f)
		}
	}
	m.lives[k].Spool.Still()
	m.note("replica %d dies", k)
	m.begin(k, m.lives[k].Dir)
	for _, p := range m.pods {
		for _, c := range p.containers {
			for _, l := range c.logs {
				if p.owner == k && !p.over && l.record == nil {
					log := archivetest.OpenLog(m.t, m.lives[k].Spool, l.i)
					_, err := log.Append(l.lines[log.Summary().Lines:l.n]...)
					m.must(err)
				}
			}
		}
	}
}
