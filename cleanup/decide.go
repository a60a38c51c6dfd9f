package cleanup

import (
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// Action is what is to be done with a Job or with one of its pods.
type Action string

// The actions.
const (
	Keep        Action = "keep"         // nothing, for as long as nothing changes
	Wait        Action = "wait"         // nothing until a time
	Hold        Action = "hold"         // put the gate on the Job
	HoldPod     Action = "hold-pod"     // put the gate on the pod, where the Job must not have it
	AdoptTTL    Action = "adopt-ttl"    // take over its ttlSecondsAfterFinished
	EndPod      Action = "end-pod"      // let the kubelet fail the pod; its log stays
	WithdrawPod Action = "withdraw-pod" // delete a pod that has no node; it stays until its manifest is written
	DeletePod   Action = "delete-pod"
	ReleasePod  Action = "release-pod" // take the gate off the pod
	EndJob      Action = "end-job"     // let the Job fail that can make no pod
	Release     Action = "release"     // take the gate off the Job
	DeleteJob   Action = "delete-job"
)

// Reason says why. Reasons are labels of metrics: the set is fixed.
type Reason string

// The reasons.
const (
	Running       Reason = "running"        // the Job is not finished, the pod has not ended
	Unsealed      Reason = "unsealed"       // not all manifests are in the store
	Sealed        Reason = "sealed"         // all of them are
	Deleting      Reason = "deleting"       // somebody has deleted it
	Orphaned      Reason = "orphaned"       // it is deleted, and its pods are to live on
	Deadline      Reason = "deadline"       // the gate's time is over
	Gate          Reason = "gate"           // the setting
	Disabled      Reason = "disabled"       // cleanup is off
	CronJob       Reason = "cronjob"        // a CronJob owns it
	Kept          Reason = "kept"           // an annotation says so, or a rule
	BadAnnotation Reason = "bad-annotation" // an annotation cannot be read, so it is kept
	KubernetesTTL Reason = "kubernetes-ttl" // Kubernetes enforces its TTL
	Success       Reason = "ttl-success"
	Failure       Reason = "ttl-failure"
	Annotation    Reason = "annotation" // an annotation of its owner says when
	Adopted       Reason = "adopted-ttl"
	History       Reason = "history"
	Retry         Reason = "retry"  // newer failed pods of its Job are kept
	Orphan        Reason = "orphan" // the pod's Job is gone
)

// Decision is one thing to do, or not to do, and why.
type Decision struct {
	Action  Action
	Reason  Reason
	Detail  string      // in words, where the reason alone says too little
	Setting string      // of what is ended: the setting by which it is, with its value
	Since   time.Time   // of what is ended: since when that was waited for
	Pod     *corev1.Pod // of the actions on a pod
	At      time.Time   // of Wait: until when; of others: since when it is due, zero where it always was
}

// Facts are what is known of one Job.
type Facts struct {
	Job    *batchv1.Job // trimmed; nil: there is none of that UID any more
	Pods   []Pod        // in any order
	Events []*corev1.Event
	Open   int       // pods of it that have left the API server and are not sealed yet
	Doubt  bool      // all that is not sealed may be: the store was not asked about it yet
	Kind   string    // mark.Runner or mark.Builder; "": not known
	Newer  int       // finished Jobs of the same workload and kind that ended later
	Hidden bool      // it had pods, and nobody can be sure that they were seen
	Ending bool      // its namespace is being deleted: no pod is made of it any more
	Since  time.Time // when this replica began to act for it: the gate's time counts from then on
}

// Pod is one pod of the Job.
type Pod struct {
	watch.PodStanding
	Stuck time.Time // when it was first seen to be unable to start; zero: just now
}

// Decide is the policy. The decisions are in the order in which they are to be carried out, and there is at least one.
// It asks nobody and remembers nothing.
func Decide(f Facts, s config.Cleanup, now time.Time) []Decision {
	j := &judgement{Facts: f, s: s, now: now}
	switch {
	case f.Job == nil:
		j.orphans()
	case f.Job.DeletionTimestamp != nil:
		j.deleted()
	case !pods.Finished(f.Job):
		j.running()
	default:
		j.finished()
	}
	j.heldPods()
	if len(j.out) == 0 {
		j.add(Decision{Action: Keep, Reason: Sealed})
	}
	return j.out
}

// judgement is one run of Decide.
type judgement struct {
	Facts
	s   config.Cleanup
	now time.Time
	out []Decision
}

func (j *judgement) add(d Decision) { j.out = append(j.out, d) }

// due adds the decision if its time has come, else a wait for it.
func (j *judgement) due(d Decision) {
	if j.now.Before(d.At) {
		d.Action = Wait
	}
	j.add(d)
}

func (j *judgement) keep(why Reason) { j.add(Decision{Action: Keep, Reason: why}) }

// deleted is for a Job that somebody deletes, and that its gate may hold.
func (j *judgement) deleted() {
	switch {
	case !has(j.Job.Finalizers, mark.Finalizer):
		j.keep(Deleting)
		return
	case has(j.Job.Finalizers, "orphan"):
		j.add(Decision{Action: Release, Reason: Orphaned})
		return
	case j.sealed():
		j.add(Decision{Action: Release, Reason: Sealed})
		return
	}
	at := j.deadline(j.Job, j.Doubt)
	if !j.now.Before(at) {
		j.add(Decision{Action: Release, Reason: Deadline, At: at})
		return
	}
	j.add(Decision{Action: Wait, Reason: Unsealed, At: at})
	for _, p := range j.Pods {
		if j.owned(p) && !pods.Over(p.Pod) {
			j.end(p, Decision{
				Reason: Deleting, Detail: "its Job was deleted, and is held until the log is archived",
				Setting: "gate " + string(j.s.Gate), Since: j.now,
			})
		}
	}
}

// deadline returns the time when an object that is deleted and held is let go. doubt: all of it may be archived, which
// a daemon that has just started finds out pod by pod: what is whole is never called lost for want of time.
func (j *judgement) deadline(o metav1.Object, doubt bool) time.Time {
	at := j.heldFrom(o).Add(j.s.GateDeadline)
	if doubt {
		at = latest(at, j.Since.Add(j.s.GateDeadline))
	}
	return at
}

// heldFrom returns the moment from which the gate's deadline counts for an object that is deleted and held: its end, or
// its deletion; but not a time at which no daemon was there to seal it. When a daemon first saw it so is written on it,
// or else the deadline would begin anew with each change of owners.
func (j *judgement) heldFrom(o metav1.Object) time.Time {
	from := o.GetDeletionTimestamp().Time
	if job, ok := o.(*batchv1.Job); ok && pods.Finished(job) {
		from = pods.FinishedAt(job)
	}
	if seen, ok := seenHeld(o, j.now); ok {
		return latest(from, seen)
	}
	return latest(from, j.Since)
}

// seenHeld returns the time when the object was first seen to be held. What cannot be read, or lies in the future, no
// daemon wrote.
func seenHeld(o metav1.Object, now time.Time) (time.Time, bool) {
	at, err := mark.ParseTime(o.GetAnnotations()[mark.HeldSince])
	return at, err == nil && !at.After(now.Add(clockSkew))
}

// clockSkew is how far the clocks of replicas may be apart.
const clockSkew = time.Minute

// owned: the pod is the Job's still. One that was orphaned lives on.
func (j *judgement) owned(p Pod) bool { return belongs(p.Pod, j.Job.UID) }

// running is for a Job that is not finished.
func (j *judgement) running() {
	if j.Ending {
		if j.sealed() && has(j.Job.Finalizers, mark.Finalizer) {
			// Its own deletion comes together with that of the right to release it.
			j.add(Decision{Action: Release, Reason: Sealed})
		}
		j.keep(Running)
		return
	}
	j.hold(true)
	if why, off := j.handsOff(); off {
		j.keep(why)
		return
	}
	j.keep(Running)
	for _, p := range j.Pods {
		if j.owned(p) {
			j.startable(p)
		}
	}
	j.podless()
	j.retries()
}

// finished is for a Job that is complete or failed.
func (j *judgement) finished() {
	sealed := j.sealed()
	// One that had finished before is sealed soon or was held: a hundred thousand of these need no gate at a start.
	fresh := !pods.FinishedAt(j.Job).Before(j.Since)
	j.hold(fresh && slices.ContainsFunc(j.Pods, func(p Pod) bool { return !p.Sealed && !p.Unproven }))
	if sealed && has(j.Job.Finalizers, mark.Finalizer) {
		j.add(Decision{Action: Release, Reason: Sealed}) // nothing is left to protect
	}
	if why, off := j.handsOff(); off {
		j.keep(why)
		return
	}
	j.retries()
	at, why, goes := j.expiry()
	switch {
	case !goes:
		j.keep(why)
	case j.now.Before(at):
		j.add(Decision{Action: Wait, Reason: why, At: at})
	case !sealed:
		j.add(Decision{Action: Keep, Reason: Unsealed, At: at})
	default:
		j.add(Decision{Action: DeleteJob, Reason: why, At: at})
	}
}

// hold puts the gate on where it is wanted and something is to be protected, and takes over the TTL. A Job that is
// being deleted takes no finalizer any more.
func (j *judgement) hold(protect bool) {
	switch {
	case !protect || !j.gates() || has(j.Job.Finalizers, mark.Finalizer):
	case applied(j.Job):
		j.holdPods()
	default:
		j.add(Decision{Action: Hold, Reason: Gate})
	}
	if j.s.Enabled && j.s.AdoptTTL && !j.cronJobs() && j.Job.Spec.TTLSecondsAfterFinished != nil && !adopted(j.Job) {
		j.add(Decision{Action: AdoptTTL, Reason: Gate})
	}
}

// adopted: this very TTL was taken over before. Whoever applies a manifest again and again puts it back each time, and
// it would be taken away each time.
func adopted(job *batchv1.Job) bool {
	ttl := job.Spec.TTLSecondsAfterFinished
	return ttl != nil && job.Annotations[mark.AdoptedTTL] == strconv.Itoa(int(*ttl))
}

// sealed: everything that is known of the Job is in the store.
func (j *judgement) sealed() bool {
	return j.Open == 0 && !j.Hidden && !slices.ContainsFunc(j.Pods, func(p Pod) bool { return !p.Sealed && (j.Job == nil || j.owned(p)) })
}

// heldPods takes the gate off pods: as soon as they are sealed, or where they are being deleted, at the deadline.
func (j *judgement) heldPods() {
	for _, p := range j.Pods {
		switch {
		case !has(p.Finalizers, mark.Finalizer):
		case p.Sealed:
			j.add(Decision{Action: ReleasePod, Reason: Sealed, Pod: p.Pod})
		case j.spared(p):
			j.add(Decision{Action: ReleasePod, Reason: Deleting, Pod: p.Pod})
		case p.DeletionTimestamp != nil:
			at := j.deadline(p.Pod, p.Unproven)
			j.due(Decision{Action: ReleasePod, Reason: Deadline, Pod: p.Pod, At: at})
		}
	}
}
