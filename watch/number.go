package watch

import (
	"slices"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// numbered is an instance of a pod with the number that it has in the archive, as its Restart.
//
// That number is the kubelet's restart count, unless another instance of the container has that: the kubelet takes the
// count from the container's last status, and where it has none from the folder of its logs, which is empty once the
// dead container was removed. Then it counts from 0 again, as after a sandbox that was made anew. Keys and files are
// called after the number.
type numbered struct {
	archive.Instance
	count int  // the kubelet's
	seen  bool // a status has named it, and not only a log
}

// number returns the instance its number, the same each time. An instance must come after those that started before it.
// Called with Watcher.mu held.
func (p *pod) number(i archive.Instance) archive.Instance {
	n, known := p.numbers[i.ContainerID]
	if known {
		// Of one that only a log told of the count was not known. Later statuses may give a dead one a count that is
		// one too high.
		if !n.seen {
			n.count, n.seen = i.Restart, true
			p.numbers[i.ContainerID] = n
		}
		return n.Instance
	}
	n = numbered{Instance: i, count: i.Restart, seen: true}
	n.PodRef = p.named
	if newest, ok := p.newest(i.Container); ok {
		n.Restart += newest.Restart - newest.count
		// What a log tells of may have started later than what a cache tells of that is behind.
		older := newest.seen && n.Restart <= newest.Restart
		if older || n.Restart < 0 || p.numbers.at(i.Container, n.Restart) != nil {
			n.Restart = newest.Restart + 1 + n.count
		}
	}
	p.numbers[i.ContainerID] = n
	return n.Instance
}

// hold takes up a log that the spool has: its number stands.
func (p *pod) hold(i archive.Instance) {
	if _, known := p.numbers[i.ContainerID]; !known {
		p.numbers[i.ContainerID] = numbered{Instance: i, count: i.Restart}
	}
}

// renumber returns the instance another number, for a log of another one came into the spool under its own. That one
// may be known by another number, for this replica had seen statuses that the log's had not: its log's stands, unless
// it has one here already. Called with Watcher.mu held.
func (p *pod) renumber(i, other archive.Instance) archive.Instance {
	taken := i.Restart
	i.Restart = p.numbers[i.ContainerID].count
	delete(p.numbers, i.ContainerID)
	p.hold(other)
	if n := p.numbers[other.ContainerID]; p.logs[other.ContainerID] == nil {
		n.Restart = other.Restart
		p.numbers[other.ContainerID] = n
	}
	if i = p.number(i); i.Restart == taken {
		n := p.numbers[i.ContainerID]
		newest, _ := p.newest(i.Container)
		n.Restart = newest.Restart + 1
		p.numbers[i.ContainerID] = n
		i = n.Instance
	}
	return i
}

// numbers are the instances of a pod that are known, by container ID.
type numbers map[string]numbered

// at returns the container's instance of that number, nil where none is known.
func (all numbers) at(container string, restart int) *numbered {
	for _, n := range all {
		if n.Container == container && n.Restart == restart {
			return &n
		}
	}
	return nil
}

// newest returns the last instance of a container that is known.
func (p *pod) newest(container string) (newest numbered, ok bool) {
	for _, n := range p.numbers {
		if n.Container == container && (!ok || n.Restart > newest.Restart) {
			newest, ok = n, true
		}
	}
	return newest, ok
}

// instances returns every instance that the pod's status names, oldest first for each container.
func (p *pod) instances() []archive.Instance {
	list := pods.Instances(p.last)
	for n, i := range list {
		list[n] = p.number(i)
	}
	return list
}

// known returns the instances that are known, in order: of each container as many as a manifest tells of.
func (p *pod) known() []archive.Instance {
	var list []archive.Instance
	for _, n := range p.numbers {
		if newest, _ := p.newest(n.Container); newest.Restart-n.Restart <= mostMissed {
			list = append(list, n.Instance)
		}
	}
	slices.SortFunc(list, pods.Compare)
	return list
}

// neverStarted returns a record for each container that is not known to have had an instance. One that had may look so
// again, after its pod's sandbox was made anew.
func (p *pod) neverStarted() []archive.InstanceRecord {
	list := slices.DeleteFunc(pods.NeverStarted(p.last, p.waited), func(r archive.InstanceRecord) bool {
		_, ran := p.newest(r.Container)
		return ran
	})
	for n := range list {
		list[n].PodRef = p.named
	}
	return list
}

// lastNumber returns the number of the container's last instance, as far as its status tells; -1: it has had none.
func (p *pod) lastNumber(c pods.Container) int {
	counted := int(c.Status.RestartCount) - p.uncounted(c)
	newest, ok := p.newest(c.Spec.Name)
	switch {
	case !ok && c.Unstarted():
		return counted
	case !ok:
		return max(0, counted)
	case c.Status.ContainerID != "":
		return newest.Restart // the status names it, and may count one more for it
	default:
		return newest.Restart + max(0, counted-newest.count)
	}
}

// uncounted is 1 where the status of a container counts one that never was. The kubelet does so for one that it has
// lost sight of, unless the pod is being deleted, and for one that it is to start.
func (p *pod) uncounted(c pods.Container) int {
	last := c.Status.LastTerminationState.Terminated
	lost, noted := p.lostSight[c.Spec.Name]
	switch {
	case c.Status.ContainerID != "":
		return 0
	case last == nil:
		return 1
	case last.ContainerID != "":
		return 0 // the kubelet leaves the count alone where it knows of an instance before
	case p.last.DeletionTimestamp == nil || p.last.Status.Reason == pods.Evicted, noted && lost == c.Status.RestartCount:
		return 1
	}
	return 0
}

// noteLostSight remembers which counts were one too high before the pod's deletion was asked for: later that cannot be
// told.
func (p *pod) noteLostSight(c pods.Container) {
	if c.Status == nil || c.Status.ContainerID != "" || p.last.DeletionTimestamp != nil {
		return
	}
	if last := c.Status.LastTerminationState.Terminated; last != nil && last.ContainerID == "" {
		p.lostSight[c.Spec.Name] = c.Status.RestartCount
	}
}
