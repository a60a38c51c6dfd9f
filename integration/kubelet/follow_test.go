package kubelet

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func caseFollowEnds(b *bed) {
	c := b.running()
	c.Write(at(0), "before")
	r := b.follow()
	b.want("first", b.next(r), "before\n")
	c.Write(at(1), "live")
	b.want("second", b.next(r), "live\n")
	c.Exit(0)
	b.want("rest", b.rest(r), "")
	if got := b.k.Counters(); got.Follow != 1 || got.Opened != 1 || got.Bytes != 12 {
		b.t.Errorf("got counters %+v, want 1 follow of 1 stream and 12 bytes", got)
	}
}

func caseFollowRotation(b *bed) {
	c := b.running()
	c.Write(at(0), "a")
	r := b.follow()
	b.want("first file", b.next(r), "a\n")
	b.settled(c)
	c.Write(at(1), "b")
	c.Rotate()
	c.Write(at(2), "c")
	b.want("last line of the first file", b.next(r), "b\n")
	b.want("second file", b.next(r), "c\n")
	c.Exit(0)
	b.want("rest", b.rest(r), "")
}

func caseSlowFollow(b *bed) {
	c := b.running()
	h := NewHold()
	c.Inject(&Fault{AfterLines: 2, Hold: h})
	c.Write(at(0), "first")
	r := b.follow()
	b.want("first", b.next(r), "first\n")
	b.settled(c)
	c.Write(at(1), "a1")
	<-h.Reached() // behind a1, at the end of the file
	c.Write(at(2), "a2")
	c.Rotate()
	c.Write(at(3), "b: this file is skipped")
	c.Rotate()
	c.Write(at(4), "c")
	h.Release()
	b.want("rest of the first file", b.next(r)+b.next(r), "a1\na2\n")
	// The kubelet opens the current file once for each creation it heard of.
	b.want("current file, twice", b.next(r)+b.next(r), "c\nc\n")
	c.Exit(0)
	b.want("rest", b.rest(r), "")
	b.want("never served", string(c.Unserved()[0].Text), "b: this file is skipped")
}

func caseCatchUp(b *bed) {
	c := b.running()
	h := NewHold()
	c.Inject(&Fault{On: OnFollow, AfterLines: 1, Hold: h})
	c.Write(at(0), "a1")
	c.Write(at(1), "a2")
	r := b.follow()
	<-h.Reached()
	c.Rotate()
	h.Release()
	b.want("old file", b.next(r)+b.next(r), "a1\na2\n")
	c.Write(at(2), "b")
	b.settled(c)
	b.want("a plain read sees it", b.read(corev1.PodLogOptions{}), "b\n")
	c.Exit(0)
	b.want("the follow ends without it", b.rest(r), "")
}

func caseRotateExit(b *bed) {
	c := b.running()
	h := NewHold()
	c.Inject(&Fault{On: OnFollow, AfterLines: 2, Hold: h})
	c.Write(at(0), "first")
	r := b.follow()
	b.want("first", b.next(r), "first\n")
	b.settled(c)
	c.Write(at(1), "a1")
	<-h.Reached()
	c.Rotate()
	c.Write(at(2), "tail")
	c.Exit(0)
	h.Release()
	b.want("follow", b.rest(r), "a1\n")
	b.want("read", b.read(corev1.PodLogOptions{}), "tail\n")
}

func caseLateOutput(b *bed) {
	c := b.running()
	c.Write(at(0), "a")
	c.Exit(0)
	b.want("follow", b.read(following), "a\n")
	c.Write(at(1), "flushed late")
	b.want("read", b.read(corev1.PodLogOptions{}), "a\nflushed late\n")
}

// TestVirtualTime shows the kubelet's cut after four hours in a bubble, through Transport.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(t, nil, "node-a")
		client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://node", Transport: k.Transport(), QPS: -1})
		if err != nil {
			t.Fatal(err)
		}
		b := &bed{t: t, k: k, client: client, ns: "jobs"}
		b.running().Write(at(0), "a")
		begin := time.Now()
		b.want("log", b.read(following), "a\n")
		if got, want := time.Since(begin), 4*time.Hour; got != want {
			t.Errorf("got a cut after %s, want %s", got, want)
		}
	})
}
