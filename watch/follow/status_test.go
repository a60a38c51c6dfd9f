package follow

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// createdLooker shows the container as created and not started, while that is so: it has its ID and an empty `waiting`
// then.
type createdLooker struct {
	looker
	created *atomic.Bool
}

func (l createdLooker) Look(ctx context.Context, i archive.Instance, live bool) (pods.Sight, error) {
	if !l.created.Load() {
		return l.looker.Look(ctx, i, live)
	}
	pod := l.b.pod.Object()
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	return pods.SightOf(pod, i), nil
}

// TestFollowContainerThatIsCreated: one that has its ID and does not run yet has not ended, however long that takes.
func TestFollowContainerThatIsCreated(t *testing.T) {
	for _, long := range []time.Duration{200 * time.Millisecond, 30 * time.Second} {
		t.Run(long.String(), func(t *testing.T) {
			inBubble(t, func(b *bed) {
				var created atomic.Bool
				created.Store(true)
				b.looker = createdLooker{looker{b}, &created}
				b.start()
				time.Sleep(long)
				created.Store(false)
				b.write("one")
				time.Sleep(20 * time.Second)
				b.write("two", "three")
				time.Sleep(20 * time.Second)
				b.c.Exit(0)
				if record := b.proven(time.Hour); record.Log == nil || record.Log.Lines != 3 {
					t.Errorf("got log %+v, want one of 3 lines", record.Log)
				}
			})
		})
	}
}

// TestFollowPodThatIsOverFirst: at a pod's deadline the kubelet writes the phase and then gives the containers their
// grace. What they write in it is kept, and the log is proven by their end.
func TestFollowPodThatIsOverFirst(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.write("one")
		time.Sleep(time.Minute)
		b.pod.Finish(corev1.PodFailed, "DeadlineExceeded", "")
		b.k.KillStreams()
		time.Sleep(20 * time.Second)
		b.write("two")
		time.Sleep(10 * time.Second)
		b.c.Exit(137)
		if record := b.proven(time.Hour); record.Verdict != archive.Complete || record.Log.Lines != 2 {
			t.Errorf("got verdict %s and log %+v, want %s of 2 lines", record.Verdict, record.Log, archive.Complete)
		}
	})
}

// TestFollowPodOfALostNode: the pod is marked as failed, nobody is left to say that its container has ended, and a
// finalizer keeps the object. The log is sealed, and its end is in doubt, whether the node answers or not.
func TestFollowPodOfALostNode(t *testing.T) {
	for name, answers := range map[string]bool{"the node is gone": false, "the node answers": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bed) {
				b.start()
				b.write("one")
				time.Sleep(time.Minute)
				if !answers {
					b.k.Down()
				}
				b.pod.SetCondition(corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"})
				b.pod.Finish(corev1.PodFailed, "", "")
				b.deleting.Store(true)
				if answers {
					b.k.KillStreams()
				}
				record := b.proven(2 * b.cfg.GiveUpAfter)
				if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapNodeLost || !g[0].Unproven || g[0].AfterLine != 1 {
					t.Errorf("got gaps %+v, want an unproven one of node-lost after line 1", g)
				}
			})
		})
	}
}
