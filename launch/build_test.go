package launch

import (
	"context"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/epilogue-dev/epilogue/mark"
)

// askedFor is a registry that notes which images it is asked for.
type askedFor struct {
	Registry
	images []string
}

func (a *askedFor) Has(_ context.Context, image string) (bool, error) {
	a.images = append(a.images, image)
	return false, nil
}

// TestForgedBuilderLeadsNowhere has a tenant make a builder that has failed, and ask for a run of its image: no
// registry but the configured one is asked, and nothing outside of its path.
func TestForgedBuilderLeadsNowhere(t *testing.T) {
	for _, test := range []struct {
		image string
		asks  bool
	}{
		{"registry.example/zenml/runner:0a1b", true},
		{"registry.example/zenml/team/runner", true},
		{"inner.example:5000/any:1", false},
		{"registry.example/zenml/../other:1", false},
		{"registry.example/zenmlx/other:1", false},
		{"registry.example/other:1", false},
		{"registry.example/zenml/", false},
		{"", false},
	} {
		registry := &askedFor{}
		forged := &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "jobs", Name: "forged", Labels: map[string]string{mark.Kind: string(Builder), mark.WorkloadID: workload},
				Annotations: map[string]string{imageName: test.image, queuedAt: "1"},
			},
			Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}},
		}
		l := &Launcher{
			cfg:   Config{Images: Images{Build: true, Registry: "registry.example/zenml"}},
			parts: Parts{Registry: registry}, kube: kube{fake.NewClientset(forged), "jobs"},
		}
		builder, err := l.builderFor(t.Context(), workload, test.image)
		if err != nil || (builder == "forged") != test.asks || (len(registry.images) == 1) != test.asks {
			t.Errorf("%q: got builder %q, %v, and asked for %q, want it asked: %v", test.image, builder, err, registry.images, test.asks)
		}
	}
}
