package watch

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// FuzzPodMetadata: whatever a user writes into a pod, its log is kept, can be found again, and stands in its
// namespace's folder.
func FuzzPodMetadata(f *testing.F) {
	f.Add("batch/v1", "Job", "job", "uid", "", "", "w", "a,b")
	f.Add("batch/v1", "Job", "../../x", "u/v", "job", "uid", "..", "../../../x")
	f.Add("", "", "", "", "job", "uid", "a/b", "\x01")
	f.Add("", "", "", "", "_pod", "u.v", "", "")
	f.Add("batch/v1", "Job", strings.Repeat("x", 2000), "\x00", "A", "B", strings.Repeat("y", 2000), strings.Repeat("z,", 2000))
	f.Fuzz(func(t *testing.T, version, kind, owner, ownerUID, label, labelUID, workload, annotation string) {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: jobsNamespace, Name: "pod", UID: "pod-uid", CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0)),
				Labels:      map[string]string{pods.JobLabel: label, batchv1.ControllerUidLabel: labelUID, "workload": workload},
				Annotations: map[string]string{pods.WorkloadIDs: annotation},
			},
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
			Status: corev1.PodStatus{Phase: corev1.PodFailed},
		}
		if owner != "" {
			pod.OwnerReferences = watchtest.ControlledBy(version, kind, owner, ownerUID)
		}
		if _, err := pods.Trim(pod); err != nil {
			t.Fatal(err)
		}
		memory := storetest.NewMemory(t)
		codec, err := format.NewCodec()
		if err != nil {
			t.Fatal(err)
		}
		spool, err := spool.Open(spool.Config{Dir: t.TempDir(), Limit: 1 << 20, Memory: 1 << 20, FlushInterval: time.Hour}, codec, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w := standing(t)
		w.parts.Spool = spool
		if !w.selected(pod) {
			return
		}
		p := w.newPod(pod)
		p.settled, p.gone = true, true
		p.note(nil)
		m := p.manifest([]string{"workload"})
		if err := seal.New(memory, spool, "a", slog.New(slog.DiscardHandler), func(error) {}).Pod(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		reader := read.New(find.Config{Store: memory, Codec: codec})
		if got, sealed, err := reader.Manifest(t.Context(), m.Pod.PodRef); err != nil || !sealed || got.Pod.PodRef != m.Pod.PodRef {
			t.Errorf("got %v (%v), want the manifest of %+v", got, err, m.Pod.PodRef)
		}
		listed := false
		for job, err := range reader.Jobs(t.Context(), archive.JobQuery{Namespace: jobsNamespace}) {
			listed = listed || err == nil && job.Job == m.Pod.Job && job.JobUID == m.Pod.JobUID
		}
		if !listed {
			t.Errorf("no list has %+v", m.Pod.PodRef)
		}
		for _, key := range memory.Keys() {
			parts := strings.Split(string(key), "/")
			at := map[string]int{"_index": 4}[parts[1]]
			if at > 0 && parts[2] == "pod" { // v1/_index/pod/<namespace>/<pod>/...
				at = 5
				if parts[3] != jobsNamespace {
					t.Errorf("key %q leaves the folder of its namespace", key)
				}
			}
			if at == 0 && parts[1] != jobsNamespace || at > 0 && (len(parts) != at+1 || !strings.HasPrefix(parts[at], jobsNamespace+".")) {
				t.Errorf("key %q leaves the folder of its namespace", key)
			}
		}
	})
}
