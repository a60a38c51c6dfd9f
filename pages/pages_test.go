package pages

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
)

// paged answers lists of pods in pages of two, of which there are three, and refuses the third where it is told to.
func paged(refuse error) *fake.Clientset {
	client := fake.NewClientset()
	client.PrependReactor("list", "pods", func(a ktesting.Action) (bool, runtime.Object, error) {
		options, list, page := a.(ktesting.ListActionImpl).ListOptions, &corev1.PodList{}, 0
		if options.Continue != "" {
			if _, err := fmt.Sscan(options.Continue, &page); err != nil {
				return true, nil, err
			}
		}
		if options.Limit == 0 || options.LabelSelector != "app=ours" {
			return true, nil, fmt.Errorf("got options %+v, want a limit and the selector on each page", options)
		}
		if page == 2 && refuse != nil {
			return true, nil, refuse
		}
		for n := range 2 {
			list.Items = append(list.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprint(2*page + n), Labels: map[string]string{"app": "ours"}, // the fake picks by them, too
			}})
		}
		if page < 2 {
			list.Continue = fmt.Sprint(page + 1)
		}
		return true, list, nil
	})
	return client
}

// TestPages: all pages are read, an error comes last, and who has enough gets no more.
func TestPages(t *testing.T) {
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		refuse error
		most   int
		want   []string
	}{
		"all":        {nil, 10, []string{"0", "1", "2", "3", "4", "5"}},
		"an error":   {refused, 10, []string{"0", "1", "2", "3", "refused"}},
		"has enough": {refused, 3, []string{"0", "1", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for pod, err := range Pods(t.Context(), paged(test.refuse), "jobs", metav1.ListOptions{LabelSelector: "app=ours"}) {
				if err != nil {
					got = append(got, err.Error())
					continue
				}
				if got = append(got, pod.Name); len(got) == test.most {
					break
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
