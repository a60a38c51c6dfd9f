package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/watch/follow"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// pod is a pod that is not sealed yet. Its fields are guarded by Watcher.mu.
type pod struct {
	last    *corev1.Pod        // as it was last seen
	named   archive.PodRef     // as it is kept
	alone   string             // why it is kept without the Job that it names; "": it is not
	filed   types.UID          // the Job that it is found by among those that are known
	job     *batchv1.Job       // its Job as it was last seen, nil: never
	gone    bool               // it has left the API server
	checked bool               // the store was asked whether it is sealed already
	settled bool               // every instance that last names has its follower
	held    []archive.Instance // of which the spool had a log when the pod was first seen
	numbers numbers            // every instance that is known
	// restart counts that the kubelet gave without an instance, by container
	lostSight map[string]int32
	overAt    time.Time                         // when it was first seen to have ended
	draft     *archive.Manifest                 // of a pod that is known from the spool only
	logs      map[string]*spool.Log             // every instance that was followed, by container ID
	following map[string]*reading               // those whose follower has not returned
	changed   chan struct{}                     // closed and replaced with each change
	states    map[string]archive.ContainerState // how they ended, as soon as that was seen
	// until when they were seen to have no line, by whoever read them before; nil: none was
	silent  map[string]time.Time
	records map[string]archive.InstanceRecord // those that are sealed
	// why a container could not start, by its name; the end of the pod overwrites it
	waited map[string]corev1.ContainerStateWaiting
}

// reading is a follower at work.
type reading struct {
	stop  context.CancelCauseFunc
	ended chan struct{} // closed when it has returned, with all that it held in the spool
}

func newPod(last *corev1.Pod) *pod {
	p := &pod{
		logs: map[string]*spool.Log{}, following: map[string]*reading{},
		changed: make(chan struct{}), numbers: numbers{}, lostSight: map[string]int32{},
		states: map[string]archive.ContainerState{}, records: map[string]archive.InstanceRecord{},
		waited: map[string]corev1.ContainerStateWaiting{},
	}
	if last != nil {
		p.named = pods.Ref(last)
		p.take(last)
	}
	return p
}

// newPod is newPod of a pod whose Job is looked into.
func (w *Watcher) newPod(last *corev1.Pod) *pod {
	p := newPod(last)
	p.named, p.alone = w.nameOf(last)
	return p
}

// take takes up a state of the pod. Whose it is changes only where its controller says so: one that was orphaned stays
// what it was.
func (p *pod) take(last *corev1.Pod) {
	if p.last = last; pods.Controlled(last) {
		p.named, p.alone = pods.Ref(last), ""
	}
}

// ready: nothing more will happen to the pod, and nothing of it is being read.
func (p *pod) ready() bool {
	return p.settled && (p.gone || pods.Spent(p.last)) && len(p.following) == 0
}

// errRests: the pod's logs are being taken over.
var errRests = errors.New("pod rests")

// see brings the followers up to what is known of a pod.
func (w *Watcher) see(ctx context.Context, key podKey) error {
	current, err := w.pods.Pods(key.Namespace).Get(key.Name)
	if err != nil || current.UID != key.uid {
		current = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done[key.uid] {
		if current == nil {
			delete(w.done, key.uid)
		}
		return nil
	}
	if w.resting[key.uid] {
		return errRests
	}
	p := w.known.get(key.uid)
	switch {
	case p == nil && current == nil:
		return nil
	case p == nil:
		if !w.selected(current) || !w.owns(jobUID(w.podRef(current))) {
			return nil
		}
		p = w.newPod(current)
		w.recall(p)
		// Only a pod that had ended before it was seen can be in the store already.
		p.checked = !pods.Spent(current)
		w.known.put(key.uid, p)
	case current != nil && p.draft == nil:
		p.take(current)
		w.known.put(key.uid, p)
	}
	if p.last == nil || !w.owns(jobUID(p.ref())) {
		return nil // a pod that only the spool knows, or one that is about to be handed over
	}
	p.note(w.jobOf(p))
	close(p.changed)
	p.changed = make(chan struct{})
	return w.update(ctx, key, p)
}

// selected: the pod belongs to a Job that is watched, or says so. With a selector only selected Jobs are in the cache;
// a pod that is seen before its Job is looked at again when that comes.
func (w *Watcher) selected(p *corev1.Pod) bool {
	owner, why := pods.Claim(p)
	if w.cfg.Selector == "" {
		return owner != nil || why != ""
	}
	return owner != nil && w.cachedJob(pods.Ref(p)) != nil
}

// jobOf returns the pod's Job as the cache has it, nil where it has none.
func (w *Watcher) jobOf(p *pod) *batchv1.Job { return w.cachedJob(p.named) }

func (w *Watcher) cachedJob(ref archive.PodRef) *batchv1.Job {
	job, err := w.jobs.Jobs(ref.Namespace).Get(ref.Job)
	if err != nil || job.UID != types.UID(ref.JobUID) {
		return nil
	}
	return job
}

// note keeps what later states of the pod may no longer tell.
func (p *pod) note(job *batchv1.Job) {
	if job != nil {
		p.job = job
	}
	for _, i := range p.instances() {
		if s := pods.StateOf(p.last, i); s.ExitCode != nil || p.states[i.ContainerID].ExitCode == nil {
			p.states[i.ContainerID] = s
		}
	}
	for _, c := range pods.Containers(p.last) {
		p.noteLostSight(c)
		if c.Status != nil && c.Status.ContainerID == "" && pods.TellsWhy(c.Status.State.Waiting) {
			p.waited[c.Spec.Name] = *c.Status.State.Waiting
		}
	}
	if p.overAt.IsZero() && (p.gone || pods.Spent(p.last)) {
		p.overAt = time.Now()
	}
}

// update saves what is known and starts what is missing. Called with mu held: it does no more than write a small file.
func (w *Watcher) update(ctx context.Context, key podKey, p *pod) error {
	if !p.checked {
		w.unchecked.Add(key) // it may have been sealed long ago, and only the store knows
		return nil
	}
	p.settled = false
	if err := w.parts.Spool.SaveDraft(p.draftNow(w.cfg.WorkloadLabels)); err != nil {
		return err
	}
	for _, i := range append(p.instances(), p.held...) {
		if err := w.follow(ctx, key, p, i); err != nil {
			return err
		}
	}
	p.settled = true
	w.ended.Add(key)
	return nil
}

// draftNow is what can be known before the logs are sealed.
func (p *pod) draftNow(labels []string) *archive.Draft {
	m := p.postMortem(labels)
	p.instances() // so that they have their numbers
	m.Instances = p.neverStarted()
	for _, i := range p.known() {
		m.Instances = append(m.Instances, archive.InstanceRecord{Instance: i, State: p.states[i.ContainerID]})
	}
	return &archive.Draft{Manifest: *m, Silent: p.silent}
}

// holds: the spool had a log of it when the pod was first seen.
func (p *pod) holds(i archive.Instance) bool {
	return slices.ContainsFunc(p.held, func(h archive.Instance) bool { return h.ContainerID == i.ContainerID })
}

// follow starts a follower for an instance that has none yet.
func (w *Watcher) follow(ctx context.Context, key podKey, p *pod, i archive.Instance) error {
	// Of a pod that is gone nothing more can be had, but what was had before is kept.
	if p.logs[i.ContainerID] != nil || p.gone && !p.holds(i) {
		return nil
	}
	log, err := w.parts.Spool.Log(i)
	if err != nil {
		return fmt.Errorf("follow %s: %w", i, err)
	}
	if other := log.Instance(); other.ContainerID != i.ContainerID {
		return w.follow(ctx, key, p, p.renumber(i, other))
	}
	_, sealed, err := log.Record()
	if err != nil {
		return fmt.Errorf("follow %s: %w", i, err)
	}
	p.logs[i.ContainerID] = log
	if sealed || log.Ended() {
		return nil // an earlier process had read it to its end
	}
	f := w.follower(log)
	f.WasSilentUntil(p.silent[i.ContainerID])
	own, stop := context.WithCancelCause(ctx)
	r := &reading{stop, make(chan struct{})}
	p.following[i.ContainerID] = r
	w.followers.Go(func() {
		defer close(r.ended)
		defer stop(nil)
		err := f.Run(own)
		if at := f.LeftSilentAt(); !at.IsZero() {
			w.leftSilent(p, i, at)
		}
		switch {
		case err == nil && ctx.Err() == nil:
			w.followed(key, p, i)
		case own.Err() != nil:
			// The process ends, or the pod is another replica's now and was forgotten.
		case err != nil:
			// The local disk fails. Reading again later is all that can be done; the log says so until it works.
			w.log.Error("follow log", "instance", i, "err", err)
			w.again(key, p, i)
		}
	})
	return nil
}

// follower makes the follower of a log.
func (w *Watcher) follower(log *spool.Log) *follow.Follower {
	return follow.New(w.cfg.Follow, log, follow.Parts{
		Source: w.parts.Source, Budget: w.parts.Budget, Looker: w, Count: w.parts.Follow, Log: w.parts.Log, Clock: w.parts.Clock,
	})
}

// followed: the log has been read to its end.
func (w *Watcher) followed(key podKey, p *pod, i archive.Instance) {
	w.mu.Lock()
	delete(p.following, i.ContainerID)
	w.mu.Unlock()
	w.ended.Add(key)
}

// again follows an instance once more.
func (w *Watcher) again(key podKey, p *pod, i archive.Instance) {
	w.mu.Lock()
	delete(p.following, i.ContainerID)
	delete(p.logs, i.ContainerID)
	w.mu.Unlock()
	w.seen.AddRateLimited(key)
}

// leftSilent keeps in the pod's draft that an instance had no line when its follower ended. The draft goes with the
// pod: into the journal when the pod is handed over, and to the next process with the disk. A crash loses it, and then
// the start is in doubt.
func (w *Watcher) leftSilent(p *pod, i archive.Instance, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.silent == nil {
		p.silent = map[string]time.Time{}
	}
	p.silent[i.ContainerID] = at
	if err := w.parts.Spool.SaveDraft(p.draftNow(w.cfg.WorkloadLabels)); err != nil {
		w.log.Warn("save that a log has no line so far", "instance", i, "err", err)
	}
}
