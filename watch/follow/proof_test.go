package follow

import (
	"sync"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// atProof calls what happens once, as the log of a container that has ended is asked for.
func (b *bed) atProof(happens func()) {
	once := sync.OnceFunc(happens)
	b.before = func(r Request) {
		if !r.Follow && r.Limit == 0 && r.Tail == 0 {
			once()
		}
	}
}

// resumed has the log read on after a break, so that its end is proven by reading it whole, and ends it.
func (b *bed) resumed() {
	b.start()
	b.write("first", "second")
	b.k.KillStreams()
	time.Sleep(time.Second)
	b.write("third")
	time.Sleep(time.Second)
	b.c.Exit(0)
}

// TestProofAnsweredByTheNextInstance: a container that is restarted while its end is proven answers with the log of its
// next instance, which proves nothing. The old one's is read as the previous then.
func TestProofAnsweredByTheNextInstance(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.atProof(func() { b.pod.Start("main") })
		b.resumed()
		b.complete()
	})
}

// TestProofAnsweredByAnotherPod: what a pod of the same name answers proves nothing either, and there is nobody else to
// ask.
func TestProofAnsweredByAnotherPod(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.atProof(func() {
			b.pod.Delete()
			b.gone.Store(true)
			b.k.Pod("jobs", kubelet.Spec{Name: "pod"}).Start("main")
		})
		b.resumed()
		record := b.proven(time.Hour)
		if g := record.Gaps; len(g) != 1 || g[0].Reason != archive.GapDeleted || !g[0].Unproven || g[0].AfterLine != 3 {
			t.Errorf("got gaps %+v, want an unproven one of deleted after line 3", g)
		}
	})
}

// TestProofOfADeletedPodIsNotHasty: the log of a pod that is being deleted is read at once, and again when the runtime
// has had its time to write the last lines.
func TestProofOfADeletedPodIsNotHasty(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.atProof(func() { time.AfterFunc(hurry/2, func() { b.c.Write(time.Now(), "last words") }) })
		b.start()
		b.write("first")
		time.Sleep(time.Second)
		b.deleting.Store(true)
		b.c.Exit(0)
		time.Sleep(2 * b.cfg.SettleDelay) // so that the last words are there, sealed or not
		b.complete()
	})
}

// TestLogOfOneUnendedLine: a log that is nothing but a line without a newline.
func TestLogOfOneUnendedLine(t *testing.T) {
	inBubble(t, func(b *bed) {
		b.start()
		b.c.WritePartial(time.Now(), "all that there is")
		time.Sleep(time.Second)
		b.c.Exit(0)
		b.complete()
	})
}
