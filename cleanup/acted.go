package cleanup

import (
	"context"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// once does something to an object, unless it was done to it already as the cache has it. What was not done, or has
// failed, may be done again.
func (j *Janitor) once(job types.UID, o metav1.Object, do func() (done bool, err error)) (bool, error) {
	if !j.first(job, o) {
		return false, nil
	}
	done, err := do()
	if !done || err != nil {
		j.undo(job, o)
	}
	return done && err == nil, err
}

// confirmed is once for a decision that the policy confirms.
func (j *Janitor) confirmed(ctx context.Context, job types.UID, f Facts, d Decision, do func(now Facts, again Decision) error) error {
	_, err := j.once(job, d.object(f), func() (bool, error) {
		now, again, ok, err := j.confirm(ctx, f, d)
		if ok && err == nil {
			err = do(now, again)
		}
		return ok, err
	})
	return err
}

// first reports whether nothing was done yet to the object as the cache has it, and notes that something is.
func (j *Janitor) first(job types.UID, o metav1.Object) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := j.acted[job]
	if v[o.GetUID()] == o.GetResourceVersion() {
		return false
	}
	if v == nil {
		v = versions{}
		j.acted[job] = v
	}
	v[o.GetUID()] = o.GetResourceVersion()
	return true
}

// undo is for what failed: it may be done again.
func (j *Janitor) undo(job types.UID, o metav1.Object) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.acted[job], o.GetUID())
}

// fresh leaves out what was done already to an object as the cache has it.
func (j *Janitor) fresh(job types.UID, f Facts, list []Decision) []Decision {
	j.mu.Lock()
	defer j.mu.Unlock()
	var left []Decision
	for _, d := range list {
		o := d.object(f)
		if v, done := j.acted[job][o.GetUID()]; !done || v != o.GetResourceVersion() {
			left = append(left, d)
		}
	}
	return left
}

// prune forgets the versions that the cache has passed.
func (j *Janitor) prune(job types.UID, f Facts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := j.acted[job]
	if v == nil {
		return
	}
	current := versions{}
	if f.Job != nil {
		current[f.Job.UID] = f.Job.ResourceVersion
	}
	for _, p := range f.Pods {
		current[p.UID] = p.ResourceVersion
	}
	maps.DeleteFunc(v, func(uid types.UID, version string) bool { return current[uid] != version })
	if len(v) == 0 {
		delete(j.acted, job)
	}
}

// dry reports whether nothing is to be changed, and says once what would have been.
func (j *Janitor) dry(job types.UID, o metav1.Object, list ...Decision) bool {
	if !j.cfg.DryRun {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range list {
		what := fmt.Sprintf("%s %s %s", d.Action, d.Reason, o.GetUID())
		if j.rehearsed[job][what] {
			continue
		}
		if j.rehearsed[job] == nil {
			j.rehearsed[job] = map[string]bool{}
		}
		j.rehearsed[job][what] = true
		j.parts.Count.DryRun.WithLabelValues(string(d.Action), string(d.Reason)).Inc()
		j.log.Info("dry run", "would", d.Action, "object", o.GetName(), "reason", d.Reason, "detail", d.Detail)
	}
	return true
}
