package stage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// AwaitNothingLeft waits until nothing of the release is in the cluster: in its namespaces no object of any kind that
// carries its name or its label, none of its cluster-scoped objects, and the gate on no Job and no pod.
func (s *Stage) AwaitNothingLeft(ctx context.Context) error {
	text, err := s.kubectl(ctx, "", "api-resources", "--verbs=list", "--namespaced", "-o", "name")
	if err != nil {
		return err
	}
	// Events tell of what was.
	kinds := slices.DeleteFunc(strings.Fields(text), func(kind string) bool { return strings.HasPrefix(kind, "events") })
	return await(ctx, "the end of all that belongs to the release", func() (bool, error) {
		left, err := Policies(ctx, s.Client, s.Namespace)
		if err != nil {
			return false, err
		}
		all := strings.Join(kinds, ",")
		for _, place := range []struct {
			args   []string
			begins []string // the names of what is the release's; none: all that is listed
		}{
			{[]string{"-n", s.Namespace, "get", all}, []string{Release, "sh.helm.release.v1." + Release}},
			{[]string{"-n", s.Jobs, "get", all}, []string{Release, s.Namespace + "-" + Release}},
			{[]string{"-n", s.Namespace, "get", all, "-l", "app.kubernetes.io/instance=" + Release}, nil},
			{[]string{"-n", s.Jobs, "get", all, "-l", "app.kubernetes.io/instance=" + Release}, nil},
			{[]string{"get", "clusterroles,clusterrolebindings"}, []string{s.Namespace + "-" + Release}},
		} {
			text, err := s.kubectl(ctx, "", append(place.args, "-o", "name")...)
			if err != nil {
				return false, err
			}
			for object := range strings.FieldsSeq(text) {
				_, name, _ := strings.Cut(object, "/")
				if place.begins == nil || slices.ContainsFunc(place.begins, func(b string) bool { return strings.HasPrefix(name, b) }) {
					left = append(left, object)
				}
			}
		}
		held, err := s.held(ctx)
		if err != nil {
			return false, err
		}
		if left = append(left, held...); len(left) > 0 {
			return false, fmt.Errorf("still there: %q", left)
		}
		return true, nil
	})
}

// held returns what carries the gate.
func (s *Stage) held(ctx context.Context) (all []string, err error) {
	jobs, err := s.Client.BatchV1().Jobs(s.Jobs).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range jobs.Items {
		if slices.Contains(jobs.Items[i].Finalizers, mark.Finalizer) {
			all = append(all, "the gate on Job "+jobs.Items[i].Name)
		}
	}
	pods, err := s.Client.CoreV1().Pods(s.Jobs).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		if slices.Contains(pods.Items[i].Finalizers, mark.Finalizer) {
			all = append(all, "the gate on pod "+pods.Items[i].Name)
		}
	}
	return all, nil
}
