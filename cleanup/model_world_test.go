package cleanup

import (
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// create makes a Job of a random kind.
func (w *world) create() {
	now := metav1.Now()
	limit := int32(w.rand.IntN(3))
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("job-%d", len(w.lives)), Annotations: map[string]string{}},
		Spec:       batchv1.JobSpec{BackoffLimit: &limit}, Status: batchv1.JobStatus{StartTime: &now},
	}
	l := &life{}
	switch w.rand.IntN(8) {
	case 0:
		j.Annotations[mark.Keep], l.kept = "true", true
	case 1:
		j.Annotations[mark.TTL] = "3m"
	case 2:
		ownTTL(60)(j)
	}
	if w.rand.IntN(2) == 0 { // by an admission policy
		j.Finalizers = []string{mark.Finalizer}
	}
	j.UID = types.UID(fmt.Sprintf("uid-%d", len(w.lives)))
	w.lives[j.UID] = l
	w.api.create(j)
	w.spawn(j)
}

// spawn makes a pod of the Job, as its controller does.
func (w *world) spawn(j *batchv1.Job) {
	l := w.lives[j.UID]
	p := w.podOf(j, fmt.Sprintf("%s-%d", j.Name, len(l.pods)))
	p.UID = types.UID(p.Name)
	now := metav1.Now()
	p.Status.StartTime = &now
	what := &plan{ends: time.Now().Add(time.Duration(w.rand.IntN(400)) * time.Second), code: corev1.PodSucceeded}
	switch w.rand.IntN(6) {
	case 0, 1:
		what.code = corev1.PodFailed
	case 2:
		what.stuck = "ErrImagePull"
		waits(what.stuck)(&Pod{PodStanding: watch.PodStanding{Pod: p}})
	case 3:
		what.stuck = "node"
		unscheduled(time.Now())(&Pod{PodStanding: watch.PodStanding{Pod: p}})
	}
	w.plans[p.UID] = what
	l.pods = append(l.pods, p)
	w.api.create(p)
}

// meddle does something to a random Job, as somebody might.
func (w *world) meddle() {
	uid := types.UID(fmt.Sprintf("uid-%d", w.rand.IntN(max(1, len(w.lives)))))
	l := w.lives[uid]
	if l == nil || l.job == nil {
		return
	}
	how := []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	}[w.rand.IntN(4)]
	switch w.rand.IntN(5) {
	case 0, 1:
		if len(l.pods) == 0 {
			return
		}
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		if p := w.api.pods[l.pods[w.rand.IntN(len(l.pods))].Name]; p != nil {
			_ = w.api.remove(p, &metav1.DeleteOptions{}, false) // without preconditions there is no error
		}
	case 2:
		w.api.edit(l.job, func(o metav1.Object) {
			if o.GetDeletionTimestamp() == nil {
				all := maps.Clone(o.GetAnnotations())
				if all == nil {
					all = map[string]string{}
				}
				all[mark.Keep] = "true"
				o.SetAnnotations(all)
				l.kept = true
			}
		})
	default:
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		if j := w.api.jobs[l.job.Name]; j != nil {
			l.kept = false
			l.torn = l.torn || how != metav1.DeletePropagationBackground
			if l.deleted.IsZero() {
				l.deleted = time.Now()
			}
			// Without preconditions there is no error.
			_ = w.api.remove(j, &metav1.DeleteOptions{PropagationPolicy: &how}, false)
		}
	}
}

// tick is one second of everybody else's work.
func (w *world) tick() {
	w.kubelets()
	w.controllers()
	w.watcher()
	for _, tell := range w.told {
		tell()
	}
	w.told = nil
	if !w.upAt.IsZero() && time.Now().After(w.upAt) {
		w.restart()
	}
	if !w.mendAt.IsZero() && time.Now().After(w.mendAt) {
		w.mend()
	}
	after(time.Second)
}

// kubelets run pods: they end by themselves, by their deadline, or by their deletion.
func (w *world) kubelets() {
	for _, p := range inOrder(w, w.api.pods) {
		what := w.plans[p.UID]
		if pods.Over(p) {
			if p.DeletionTimestamp != nil {
				w.api.edit(p, func(metav1.Object) {}) // what holds it no longer
			}
			continue
		}
		end := corev1.PodPhase("")
		switch {
		case p.Spec.NodeName == "":
		case p.DeletionTimestamp != nil, p.Spec.ActiveDeadlineSeconds != nil:
			end = corev1.PodFailed
		case what.stuck == "" && time.Now().After(what.ends):
			end = what.code
		}
		if end != "" {
			w.api.edit(p, func(o metav1.Object) { o.(*corev1.Pod).Status = corev1.PodStatus{Phase: end} })
		}
	}
}

// inOrder returns the objects of the API server of this moment, in the order in which they were made.
func inOrder[O metav1.Object](w *world, objects map[string]O) []O {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	return slices.SortedFunc(maps.Values(objects), func(a, b O) int { return compare(a.GetName(), b.GetName()) })
}

func compare(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// controllers are those of Jobs, of garbage and of TTLs.
func (w *world) controllers() {
	for _, j := range inOrder(w, w.api.jobs) {
		l := w.lives[j.UID]
		w.countPods(j, l)
		if j.DeletionTimestamp != nil {
			w.garbage(j)
			continue
		}
		ttl, end := j.Spec.TTLSecondsAfterFinished, pods.FinishedAt(j)
		if ttl != nil && !end.IsZero() && time.Since(end) > time.Duration(*ttl)*time.Second {
			foreground := metav1.DeletePropagationForeground
			w.api.mu.Lock()
			l.torn, l.kept = true, false // before the TTL could be taken over
			_ = w.api.remove(w.api.jobs[j.Name], &metav1.DeleteOptions{PropagationPolicy: &foreground}, false)
			w.api.mu.Unlock()
		}
	}
}

// countPods is the Job's controller: it counts its pods, makes another one after a failure, or ends the Job.
func (w *world) countPods(j *batchv1.Job, l *life) {
	if !pods.FinishedAt(j).IsZero() {
		return
	}
	succeeded, failures, alive := 0, 0, 0
	for _, p := range l.pods {
		switch current := w.current(p); {
		case current == nil && w.phaseOf(p) == corev1.PodSucceeded, current != nil && current.Status.Phase == corev1.PodSucceeded:
			succeeded++
		case current == nil || pods.Over(current) || current.DeletionTimestamp != nil && current.Spec.NodeName == "":
			failures++
		default:
			alive++
		}
	}
	if alive > 0 {
		return
	}
	finish := batchv1.JobConditionType("")
	switch {
	case succeeded > 0:
		finish = batchv1.JobComplete
	case failures > int(*j.Spec.BackoffLimit):
		finish = batchv1.JobFailed
	case j.DeletionTimestamp == nil:
		w.spawn(j)
		return
	default:
		return
	}
	w.api.edit(j, func(o metav1.Object) {
		s := &o.(*batchv1.Job).Status
		s.Succeeded, s.Failed = int32(succeeded), int32(failures)
		s.Conditions = []batchv1.JobCondition{{Type: finish, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	})
}

func (w *world) current(p *corev1.Pod) *corev1.Pod {
	w.api.mu.Lock()
	defer w.api.mu.Unlock()
	return w.api.pods[p.Name]
}

// phaseOf returns the last phase of a pod that is gone.
func (w *world) phaseOf(p *corev1.Pod) corev1.PodPhase {
	for _, known := range w.lives[jobOf(p)].pods {
		if known.UID == p.UID {
			return known.Status.Phase
		}
	}
	return ""
}

func jobOf(p *corev1.Pod) types.UID { return types.UID(pods.Ref(p).JobUID) }

// garbage acts on the finalizers of foreground and orphaning deletion.
func (w *world) garbage(j *batchv1.Job) {
	l := w.lives[j.UID]
	left := 0
	for _, p := range l.pods {
		current := w.current(p)
		if current == nil || len(current.OwnerReferences) == 0 {
			continue
		}
		left++
		switch {
		case has(j.Finalizers, metav1.FinalizerOrphanDependents):
			w.api.edit(current, func(o metav1.Object) { o.SetOwnerReferences(nil) })
		case has(j.Finalizers, metav1.FinalizerDeleteDependents) && current.DeletionTimestamp == nil:
			w.api.mu.Lock()
			_ = w.api.remove(w.api.pods[p.Name], &metav1.DeleteOptions{}, false)
			w.api.mu.Unlock()
		}
	}
	done := ""
	if has(j.Finalizers, metav1.FinalizerOrphanDependents) {
		done = metav1.FinalizerOrphanDependents
	} else if has(j.Finalizers, metav1.FinalizerDeleteDependents) && left == 0 {
		done = metav1.FinalizerDeleteDependents
	}
	if done != "" {
		w.api.edit(j, func(o metav1.Object) {
			o.SetFinalizers(slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == done }))
		})
	}
}
