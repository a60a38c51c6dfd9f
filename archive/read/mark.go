package read

import (
	"slices"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
)

// covers returns the pods that a mark speaks of; ok is false where that cannot be told any more. A pod that was found
// late is known by its hash; of those that the retention took nothing is said.
func covers(m *archive.Mark, pods []*find.FoundPod) (covered map[archive.PodUID]bool, ok bool) {
	covered = map[archive.PodUID]bool{}
	sum := uint64(0)
	for _, p := range pods {
		uid := p.Pod.PodUID
		if !p.Sealed || p.SealedAt.After(m.Sealed) || p.Key().Compare(m.PodKey) > 0 || slices.Contains(m.Except, uid) {
			continue
		}
		covered[uid] = true
		sum += archive.HashOf(uid)
	}
	late := int64(len(covered)) - m.Pods
	if late < 0 || late == 0 && sum == m.Sum {
		return covered, true
	}
	for uid := range covered {
		if late == 1 && archive.HashOf(uid) == sum-m.Sum {
			delete(covered, uid)
			return covered, true
		}
	}
	return nil, false
}

// answeredPod is a pod of an answer that keeps a Mark.
type answeredPod struct {
	archive.PodKey
	sealed   bool
	sealedAt time.Time
	logs     []*reading
	done     bool // all of it was given
}

func (p *answeredPod) atEnd() bool {
	return p.sealed && !slices.ContainsFunc(p.logs, func(l *reading) bool { return !l.ended })
}

// progress is how far an answer is. Owned by who ranges over it.
type progress struct {
	pods  map[archive.PodUID]*answeredPod
	order []*answeredPod // those that are not done
	mark  archive.Mark
}

// take takes in what was found. covered pods are done.
func (g *progress) take(pods []*find.FoundPod, covered map[archive.PodUID]bool) {
	known := len(g.pods)
	for _, p := range pods {
		uid := p.Pod.PodUID
		at := g.pods[uid]
		if at == nil {
			at = &answeredPod{PodKey: p.Key()}
			g.pods[uid] = at
			g.order = append(g.order, at)
		}
		if at.sealed = p.Sealed; p.Sealed {
			at.sealedAt = p.SealedAt
		}
		if covered[uid] {
			g.add(at)
		}
	}
	if len(g.pods) > known {
		slices.SortFunc(g.order, func(a, b *answeredPod) int { return a.Compare(b.PodKey) })
	}
}

// add has the mark cover a pod.
func (g *progress) add(p *answeredPod) {
	p.done = true
	g.mark.Pods++
	g.mark.Sum += archive.HashOf(p.UID)
	if p.Compare(g.mark.PodKey) > 0 {
		g.mark.PodKey = p.PodKey
	}
	if p.sealedAt.After(g.mark.Sealed) {
		g.mark.Sealed = p.sealedAt
	}
}

// sweep has the mark cover the pods at their ends, up to one; nil: all of them. It gives their logs.
func (g *progress) sweep(upTo *answeredPod) (done []archive.LogID) {
	n, left := 0, []*answeredPod(nil)
	for ; n < len(g.order) && (upTo == nil || g.order[n].Compare(upTo.PodKey) <= 0); n++ {
		p := g.order[n]
		if !p.done && !p.atEnd() {
			left = append(left, p)
			continue
		}
		if !p.done {
			g.add(p)
		}
		for _, l := range p.logs {
			done = append(done, l.Instance.ID())
		}
	}
	g.order = g.order[n-len(left):]
	copy(g.order, left)
	g.mark.Except = nil
	for _, p := range g.order {
		if p.Compare(g.mark.PodKey) > 0 {
			break
		}
		g.mark.Except = append(g.mark.Except, p.UID)
	}
	return done
}

// marks tells how far the answer is, after a log was read up to here; nil: after all of them were.
func (a *answering) marks(l *reading) {
	if a.progress == nil || l != nil && !l.ended {
		return
	}
	var upTo *answeredPod
	if l != nil {
		upTo = a.progress.pods[l.pod.PodUID]
	}
	pods := a.progress.mark.Pods
	if done := a.progress.sweep(upTo); a.progress.mark.Pods > pods {
		a.query.Marked(a.progress.mark, done)
	}
}
