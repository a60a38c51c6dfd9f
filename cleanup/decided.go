package cleanup

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// decided is where the janitor asks the policy, about facts of this moment: those of the cache, those that the store
// has proven, or those that the API server has just told. It returns what is to be done of these actions; without any,
// all decisions.
func (j *Janitor) decided(f Facts, actions ...Action) []Decision {
	list := Decide(f, j.cfg.Cleanup, j.parts.Clock.Now())
	if len(actions) == 0 {
		return list
	}
	return pick(list, actions...)
}

func pick(list []Decision, actions ...Action) []Decision {
	var picked []Decision
	for _, d := range list {
		if slices.Contains(actions, d.Action) {
			picked = append(picked, d)
		}
	}
	return picked
}

func reasons(list []Decision) []string {
	var words []string
	for _, d := range list {
		words = append(words, string(d.Action)+" "+string(d.Reason))
	}
	return words
}

// object is what the decision is about: the pod that it names, else the Job.
func (d Decision) object(f Facts) metav1.Object {
	if d.Pod != nil {
		return d.Pod
	}
	return f.Job
}

// confirm asks ours, and then the policy once more with what is there now. Not ok: nothing is to be done.
func (j *Janitor) confirm(ctx context.Context, f Facts, d Decision) (now Facts, again Decision, ok bool, err error) {
	releasing := d.Action == Release || d.Action == ReleasePod
	if now, ok, err = j.ours(ctx, f, d.Pod, releasing); !ok || err != nil {
		return now, d, false, err
	}
	for _, again := range j.decided(now, d.Action) {
		if (d.Pod == nil) == (again.Pod == nil) && (d.Pod == nil || d.Pod.UID == again.Pod.UID) {
			return now, again, true, nil
		}
	}
	return now, d, false, nil
}
