package archive

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"
)

// Mark says which pods of an answer were given to their ends, in few words however many they are: those up to one of
// them, in the order in which pods come, that had been sealed by some time, but for some. With it, and with the last
// lines of the logs of other pods, an answer is gone on with.
type Mark struct {
	PodKey
	Sealed time.Time // when the one of them was sealed that was sealed last
	Pods   int64     // how many they are
	Sum    uint64    // of the hashes of their UIDs: what is found when the answer is gone on with must be the same
	Except []PodUID  // of those up to there: are not at their ends
}

// PodKey is what pods are ordered by.
type PodKey struct {
	Job, Pod int64 // when its Job and it were made, ns since 1970; 0: not known
	Name     string
	UID      PodUID
}

func (k PodKey) compare(o PodKey) int {
	if made := cmp.Or(cmp.Compare(k.Job, o.Job), cmp.Compare(k.Pod, o.Pod)); made != 0 {
		return made
	}
	return cmp.Or(cmp.Compare(k.Name, o.Name), cmp.Compare(k.UID, o.UID))
}

func (p *foundPod) key() PodKey {
	return PodKey{nanos(p.jobMade()), nanos(p.Pod.CreatedAt), p.Pod.Pod, p.Pod.PodUID}
}

func hashOf(uid PodUID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid)) // it has no error
	return h.Sum64()
}

// covers returns the pods that a mark speaks of; ok is false where that cannot be told any more. A pod that was found
// late is known by its hash; of those that the retention took nothing is said.
func covers(m *Mark, pods []*foundPod) (covered map[PodUID]bool, ok bool) {
	covered = map[PodUID]bool{}
	sum := uint64(0)
	for _, p := range pods {
		uid := p.Pod.PodUID
		if !p.sealed || p.SealedAt.After(m.Sealed) || p.key().compare(m.PodKey) > 0 || slices.Contains(m.Except, uid) {
			continue
		}
		covered[uid] = true
		sum += hashOf(uid)
	}
	late := int64(len(covered)) - m.Pods
	if late < 0 || late == 0 && sum == m.Sum {
		return covered, true
	}
	for uid := range covered {
		if late == 1 && hashOf(uid) == sum-m.Sum {
			delete(covered, uid)
			return covered, true
		}
	}
	return nil, false
}

// answeredPod is a pod of an answer that keeps a Mark.
type answeredPod struct {
	PodKey
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
	pods  map[PodUID]*answeredPod
	order []*answeredPod // those that are not done
	mark  Mark
}

// take takes in what was found. covered pods are done.
func (g *progress) take(pods []*foundPod, covered map[PodUID]bool) {
	known := len(g.pods)
	for _, p := range pods {
		uid := p.Pod.PodUID
		at := g.pods[uid]
		if at == nil {
			at = &answeredPod{PodKey: p.key()}
			g.pods[uid] = at
			g.order = append(g.order, at)
		}
		if at.sealed = p.sealed; p.sealed {
			at.sealedAt = p.SealedAt
		}
		if covered[uid] {
			g.add(at)
		}
	}
	if len(g.pods) > known {
		slices.SortFunc(g.order, func(a, b *answeredPod) int { return a.compare(b.PodKey) })
	}
}

// add has the mark cover a pod.
func (g *progress) add(p *answeredPod) {
	p.done = true
	g.mark.Pods++
	g.mark.Sum += hashOf(p.UID)
	if p.compare(g.mark.PodKey) > 0 {
		g.mark.PodKey = p.PodKey
	}
	if p.sealedAt.After(g.mark.Sealed) {
		g.mark.Sealed = p.sealedAt
	}
}

// sweep has the mark cover the pods at their ends, up to one; nil: all of them. It gives their logs.
func (g *progress) sweep(upTo *answeredPod) (done []LogID) {
	n, left := 0, []*answeredPod(nil)
	for ; n < len(g.order) && (upTo == nil || g.order[n].compare(upTo.PodKey) <= 0); n++ {
		p := g.order[n]
		if !p.done && !p.atEnd() {
			left = append(left, p)
			continue
		}
		if !p.done {
			g.add(p)
		}
		for _, l := range p.logs {
			done = append(done, l.instance.ID())
		}
	}
	g.order = g.order[n-len(left):]
	copy(g.order, left)
	g.mark.Except = nil
	for _, p := range g.order {
		if p.compare(g.mark.PodKey) > 0 {
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
