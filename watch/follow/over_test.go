package follow

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
)

// TestPodOfALostNode has the node of a pod gone. The collector of such pods writes their phase; nobody is left to write
// that their containers have ended, and a finalizer keeps the object.
func TestPodOfALostNode(t *testing.T) {
	for name, deleting := range map[string]bool{"its deletion was asked for": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.write("one")
				time.Sleep(time.Minute)
				b.k.Down()
				b.pod.SetCondition(corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"})
				b.pod.Finish(corev1.PodFailed, "", "")
				b.deleting.Store(deleting)
				record, lines := b.end(2 * time.Hour)
				if record.Verdict != archive.Partial || len(record.Gaps) != 1 || record.Gaps[0].Reason != archive.GapNodeLost || len(lines) != 1 {
					t.Errorf("got %s with %d lines and gaps %+v, want partial with one line and one gap of reason node-lost", record.Verdict, len(lines), record.Gaps)
				}
			})
		})
	}
}
