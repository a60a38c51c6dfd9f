package kubelet

import (
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func caseCut(b *bed) {
	c := b.running()
	c.Inject(&Fault{Times: 1, AfterBytes: 6, Cut: true})
	c.Write(at(0), "one")
	c.Write(at(1), "two")
	b.want("cut follow", b.read(following), "one\ntw")
	b.want("next read", b.read(corev1.PodLogOptions{}), "one\ntwo\n")
	if got, want := len(c.Served()), 2; got != want {
		b.t.Errorf("got %d records served, want %d", got, want)
	}
}

func caseKillStreams(b *bed) {
	c := b.running()
	c.Write(at(0), "one")
	r := b.follow()
	b.want("first", b.next(r), "one\n")
	b.k.KillStreams()
	b.want("rest", b.rest(r), "")
}

func caseStreamLimit(b *bed) {
	b.running().Write(at(0), "one")
	b.want("log", b.read(following), "one\n")
}

func caseErrorText(b *bed) {
	c := b.running()
	c.Write(at(0), "one")
	c.Exit(0)
	c.Remove()
	want := "unable to retrieve container logs for " + c.ID()
	b.want("read", b.read(corev1.PodLogOptions{Timestamps: true}), want)
	if code, err := b.status(corev1.PodLogOptions{}); code != http.StatusOK || err != nil {
		b.t.Errorf("got status %d, %v, want 200", code, err)
	}
}

func caseErrorTextLate(b *bed) {
	c := b.running()
	c.Inject(&Fault{Times: 1, AfterLines: 1, Text: "rpc error: code = Unavailable desc = error reading from server: EOF"})
	c.Write(at(0), "one")
	c.Write(at(1), "two")
	got := b.read(corev1.PodLogOptions{Timestamps: true})
	b.want("log", got, stamp(0)+" one\nrpc error: code = Unavailable desc = error reading from server: EOF")
}

func caseWatchLimit(b *bed) {
	c := b.running()
	c.Write(at(0), "one")
	r := b.follow()
	b.want("first follower", b.next(r), "one\n")
	b.settled(c)
	b.want("second follower", b.read(following), "one\nfailed to create fsnotify watcher: too many open files")
}

func caseHTTPError(b *bed) {
	c := b.running()
	c.Inject(&Fault{Times: 1, Status: http.StatusInternalServerError, Text: "node is sick"})
	c.Write(at(0), "one")
	if code, err := b.status(corev1.PodLogOptions{}); code != http.StatusInternalServerError || err == nil {
		b.t.Errorf("got status %d, %v, want 500", code, err)
	}
	b.want("healed", b.read(corev1.PodLogOptions{}), "one\n")
}

func caseDown(b *bed) {
	c := b.running()
	c.Write(at(0), "one")
	r := b.follow()
	b.want("first", b.next(r), "one\n")
	b.k.Down()
	b.want("open stream", b.rest(r), "")
	code, err := b.status(corev1.PodLogOptions{})
	if code != http.StatusInternalServerError || err == nil || !strings.Contains(err.Error(), "connection refused") {
		b.t.Errorf("got status %d, %v, want 500 and connection refused", code, err)
	}
	b.k.Up()
	b.want("up again", b.read(corev1.PodLogOptions{}), "one\n")
}

func caseSlow(b *bed) {
	c := b.running()
	f := c.Inject(&Fault{On: OnFollow, Delay: 50 * time.Millisecond, BytesPerSecond: 100, AfterLines: 2, Hang: true})
	for range 3 {
		c.Write(at(0), "ten bytes")
	}
	begin := time.Now()
	r := b.follow()
	b.want("lines", b.next(r)+b.next(r), "ten bytes\nten bytes\n")
	if got, least := time.Since(begin), 150*time.Millisecond; got < least {
		b.t.Errorf("got two lines of 10 bytes in %s, want at least %s", got, least)
	}
	c.Exit(0) // no end of the stream: it hangs
	b.k.KillStreams()
	b.want("rest", b.rest(r), "")
	if f.Fired() == 0 {
		b.t.Error("got a fault that never fired")
	}
}

func caseCrashLoop(b *bed) {
	pod := b.k.Pod(b.ns, Spec{Name: "p", Restart: corev1.RestartPolicyOnFailure})
	previous := corev1.PodLogOptions{Previous: true}
	if code, _ := b.status(previous); code != http.StatusBadRequest {
		b.t.Errorf("got status %d before the first start, want 400", code)
	}
	var runs []*Instance
	for _, text := range []string{"run 0", "run 1", "run 2"} {
		run := pod.Start("main")
		run.Write(at(0), text)
		run.Exit(1)
		runs = append(runs, run)
	}
	b.want("current", b.read(corev1.PodLogOptions{}), "run 2\n")
	b.want("previous is gone", b.read(previous), "unable to retrieve container logs for "+runs[1].ID())
	pod.Wait("main", "CrashLoopBackOff", "back-off 10s")
	b.want("plain log of a waiting container", b.read(corev1.PodLogOptions{}), "run 2\n")
	b.want("previous of a waiting container", b.read(previous), "run 2\n")
	pod.Start("main").Write(at(1), "run 3")
	b.want("current", b.read(corev1.PodLogOptions{}), "run 3\n")
	b.want("previous", b.read(previous), "run 2\n")
	if s := pod.Object().Status.ContainerStatuses[0]; s.RestartCount != 3 || s.LastTerminationState.Terminated.ContainerID != runs[2].ID() {
		b.t.Errorf("got status %+v, want restart count 3 and run 2 as last state", s)
	}
}

func caseEvicted(b *bed) {
	pod := b.k.Pod(b.ns, Spec{Name: "p"})
	c := pod.Start("main")
	c.Write(at(0), "one")
	r := b.follow()
	b.want("live", b.next(r), "one\n")
	pod.Evict("The node was low on resource: ephemeral-storage.")
	// A follower that waits when the container goes gets the runtime's error, one that is quicker an end.
	if rest := b.rest(r); rest != "" && !strings.HasPrefix(rest, "rpc error: code = NotFound") {
		b.t.Errorf("got rest %q, want nothing or an rpc error", rest)
	}
	b.want("after", b.read(corev1.PodLogOptions{}), "unable to retrieve container logs for "+c.ID())
	if s := pod.Object().Status; s.Phase != corev1.PodFailed || s.Reason != "Evicted" {
		b.t.Errorf("got phase %s, reason %s, want Failed, Evicted", s.Phase, s.Reason)
	}
}

func caseReplaced(b *bed) {
	old := b.k.Pod(b.ns, Spec{Name: "p"})
	c := old.Start("main")
	c.Write(at(0), "old")
	r := b.follow()
	b.want("old pod", b.next(r), "old\n")
	old.Delete()
	_ = b.rest(r)
	if code, _ := b.status(corev1.PodLogOptions{}); code != http.StatusNotFound {
		b.t.Errorf("got status %d after the deletion, want 404", code)
	}
	fresh := b.k.Pod(b.ns, Spec{Name: "p"})
	fresh.Start("main").Write(at(1), "new")
	b.want("new pod", b.read(corev1.PodLogOptions{}), "new\n")
	if fresh.UID() == old.UID() {
		b.t.Errorf("got the UID %s again, want another one", fresh.UID())
	}
}

func TestFaultThatNeverFiresFailsItsTest(t *testing.T) {
	tb := &recorder{TB: t}
	f := &Fault{Cut: true}
	checkFired(tb, f)
	if got, want := tb.errors, 1; got != want {
		t.Errorf("got %d errors, want %d", got, want)
	}
	f.fire()
	checkFired(tb, f)
	if got, want := tb.errors, 1; got != want {
		t.Errorf("got %d errors after it fired, want %d", got, want)
	}
}

// recorder counts errors instead of failing.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Errorf(string, ...any) { r.errors++ }
