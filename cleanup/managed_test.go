package cleanup

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestJobOfAnotherController: what the controller of another cluster writes into a Job's status are no pods of this
// one, and none is lost. Of Kubernetes' own controller each is.
func TestJobOfAnotherController(t *testing.T) {
	for controller, want := range map[string]archive.Verdict{
		"kueue.x-k8s.io/multikueue": archive.Complete, batchv1.JobControllerName: archive.Lost, "": archive.Lost,
	} {
		t.Run(controller, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.start()
				j, p := b.finished("a", func(j *batchv1.Job) {
					j.Status.Succeeded = 3
					if controller != "" {
						j.Spec.ManagedBy = &controller
					}
				})
				b.seal(p, archive.Complete)
				b.finish(j.UID)
				after(time.Minute)
				if got := b.job("a").Annotations[mark.Verdict]; got != string(want) {
					t.Errorf("got verdict %q, want %s", got, want)
				}
				if got, lost := testutil.ToFloat64(b.count.Unseen), map[bool]float64{true: 2}[want == archive.Lost]; got != lost {
					t.Errorf("got %v pods that nobody saw, want %v", got, lost)
				}
			})
		})
	}
}

// TestPodsThatCannotBeSeen: of a Job with a selector of its own that had pods, of which there is nothing, nobody can
// say that they were seen. It is neither called lost nor deleted. As soon as one is known it is as any other.
func TestPodsThatCannotBeSeen(t *testing.T) {
	for name, tt := range map[string]struct{ manual, goes bool }{"its own": {true, false}, "the usual one": {false, true}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.cfg.Gate = config.GateNever
				b.start()
				j, p := b.finished("a", func(j *batchv1.Job) {
					j.Spec.ManualSelector = &tt.manual
					j.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"job-name": j.Name}}
				})
				b.api.mu.Lock()
				err := b.api.remove(p, &metav1.DeleteOptions{}, false)
				b.api.mu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
				b.finish(j.UID)
				after(b.cfg.TTLSuccess + time.Hour)
				got := b.job("a")
				if (got == nil) != tt.goes {
					t.Fatalf("got %v, want that it is deleted: %t", got, tt.goes)
				}
				if got != nil && got.Annotations[mark.Verdict] != "" {
					t.Errorf("got verdict %s, want none", got.Annotations[mark.Verdict])
				}
			})
		})
	}
}
