package cleanup

import (
	"net/http"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
)

// TestNamespaceGoes: while a namespace's pods go, each gate opens as soon as what there is of its Job is sealed, before
// the Job's own deletion takes along the right to open it; and it is not put on again. In a namespace that lives it
// stays, for another pod may come.
func TestNamespaceGoes(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "", nil)
	for _, tt := range []struct {
		name  string
		goes  bool
		asked error
		opens bool
	}{
		{"it goes", true, nil, true},
		{"it lives, and somebody deletes a pod", false, nil, false},
		{"nobody may ask", true, forbidden, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.api.intercept(func(_, kind, _ string) error {
					if kind == "namespaces" {
						return tt.asked
					}
					return nil
				})
				b.start()
				gate := func(j *batchv1.Job) { j.Finalizers = []string{mark.Finalizer} }
				j := b.unfinishedJob(gate)
				waits := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "waits", Finalizers: []string{mark.Finalizer}}}
				b.api.create(waits)
				p := b.podOf(j, "runs")
				b.api.create(p)
				after(time.Minute)
				b.api.mu.Lock()
				if now := metav1.Now(); tt.goes {
					b.api.ending = &now
				}
				// Without preconditions there is no error.
				_ = b.api.remove(b.api.pods["runs"], &metav1.DeleteOptions{}, false)
				b.api.mu.Unlock()
				after(5 * time.Second)
				held := func(name string) bool { return has(b.job(name).Finalizers, mark.Finalizer) }
				if !held("a") || held("waits") == tt.opens {
					t.Errorf("held: %t the Job whose pod is not sealed, %t the one without a pod, want true and %t", held("a"), held("waits"), !tt.opens)
				}
				b.seal(p, archive.Complete)
				after(5 * time.Second)
				if held("a") == tt.opens {
					t.Errorf("held: %t, want %t", held("a"), !tt.opens)
				}
				b.stop()
				b.start()
				after(time.Hour)
				if got := b.job("a"); held("a") == tt.opens || tt.opens && got.Annotations[mark.Verdict] != string(archive.Complete) {
					t.Errorf("held: %t with annotations %v, want %t and the verdict", held("a"), got.Annotations, !tt.opens)
				}
				b.api.mu.Lock()
				b.api.ending = nil
				b.api.mu.Unlock()
				b.api.create(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "later"}})
				after(5 * time.Second)
				if !held("later") {
					t.Errorf("a Job of a namespace that came later under that name is not held, want the gate")
				}
			})
		})
	}
}

// TestNamespaceIsAskedSeldom: of a Job whose pods are evicted one after the other it is asked now and then, not for
// each.
func TestNamespaceIsAskedSeldom(t *testing.T) {
	inBubble(t, func(b *bench) {
		asked := 0
		b.api.intercept(func(verb, kind, _ string) error {
			if verb == http.MethodGet && kind == "namespaces" {
				asked++
			}
			return nil
		})
		b.start()
		j := b.unfinishedJob(func(j *batchv1.Job) { j.Finalizers = []string{mark.Finalizer} })
		p := b.podOf(j, "runs")
		b.api.create(p)
		after(time.Minute)
		b.api.mu.Lock()
		_ = b.api.remove(b.api.pods["runs"], &metav1.DeleteOptions{}, false) // without preconditions there is no error
		b.api.mu.Unlock()
		for range 100 {
			after(100 * time.Millisecond)
			b.janitor.Notice(j.UID)
		}
		if most := int(10*time.Second/endingAsked) + 1; asked == 0 || asked > most {
			t.Errorf("asked %d times in 10 s, want at most %d", asked, most)
		}
	})
}
