package watch

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/pods"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestPodGoesWhileTheStoreIsAsked has a daemon start again with a log in its spool whose pod has ended, and the pod
// deleted while the store is asked whether it is sealed. What the spool holds is kept.
func TestPodGoesWhileTheStoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		a := c.start("a", filepath.Join(t.TempDir(), "a"))
		p := c.pod(kubelet.Spec{})
		i := p.Start("main")
		c.report(p)
		i.Write(time.Now(), "what the spool holds")
		watchtest.Pass(2 * crewJournal)
		disk := c.kill(a)
		i.Exit(0)
		p.Finish(corev1.PodSucceeded, "", "")
		c.report(p)
		answer := make(chan struct{})
		c.store.Break(storetest.Fault{
			Op: storetest.OpGet, Key: string(pods.Ref(p.Object()).ManifestKey()), Times: -1, Effect: storetest.HoldUntil(answer),
		})
		b := c.start("a", disk)
		for !b.watcher.Acts() {
			watchtest.Pass(100 * time.Millisecond)
		}
		watchtest.Pass(time.Second)
		c.remove(p)
		watchtest.Pass(time.Second)
		close(answer)
		r := c.record(c.sealed(p), "main", 0)
		if lines := c.lines(r); len(lines) != 1 || r.Verdict != archive.Partial {
			t.Errorf("got %s (%s) with %d lines, want partial with the line that was held", r.Verdict, r.Reason, len(lines))
		}
	})
}

// TestRecordCannotBeRead has the record of a sealed log fail to be read for a while. The log is followed when that is
// over.
func TestRecordCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		h := c.start("a", filepath.Join(t.TempDir(), "a"))
		watchtest.Pass(time.Minute)
		p := c.k.Pod(jobsNamespace, kubelet.Spec{Job: c.job()})
		i := p.Start("main")
		log, err := h.watcher.parts.Spool.Log(pods.Instances(p.Object())[0])
		c.must(err)
		record := filepath.Join(h.dir, string(p.UID()), "main.0.sealed.json")
		c.must(os.WriteFile(record, []byte("torn"), 0o600))
		if _, _, err := log.Record(); err == nil {
			t.Fatal("got no error of a record that is torn")
		}
		c.must(c.server.Tracker().Add(p.Object()))
		watchtest.Pass(time.Minute)
		c.must(os.Remove(record))
		watchtest.Pass(2 * time.Minute)
		i.Write(time.Now(), "one")
		i.Exit(0)
		p.Finish(corev1.PodSucceeded, "", "")
		c.report(p)
		// It was read late, and that is said of it.
		if r := c.record(c.sealed(p), "main", 0); r.Verdict != archive.Partial || len(c.lines(r)) != 1 {
			t.Errorf("got %s (%s) with %d lines, want partial with one", r.Verdict, r.Reason, len(c.lines(r)))
		}
	})
}

// TestAdoptedPod: a pod that was orphaned is adopted by another Job, and neither Job is thought to have it after it is
// sealed.
func TestAdoptedPod(t *testing.T) {
	known := newUnsealed()
	pod := watchtest.PodOf(corev1.ContainerStatus{})
	pod.UID = "pod"
	own := func(uid types.UID) {
		yes := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "job", UID: uid, Controller: &yes}}
	}
	own("first")
	p := newPod(pod)
	known.put(pod.UID, p)
	own("second")
	p.take(pod)
	known.put(pod.UID, p)
	if len(known.ofJob["first"]) != 0 || known.ofJob["second"][pod.UID] != p {
		t.Errorf("got %v, want the pod under the second Job alone", known.ofJob)
	}
	known.drop(pod.UID)
	if len(known.ofJob)+len(known.pods) != 0 {
		t.Errorf("got %v and %v, want nothing left", known.ofJob, known.pods)
	}
}
