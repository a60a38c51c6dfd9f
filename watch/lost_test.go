package watch

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/storetest"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestSealedBeforeItWasJournaled has a log sealed and its replica dead, with its disk, before the next journal, and the
// pod's status, or the pod itself, does not name the instance when another one takes over: the log object says whose it
// is.
func TestSealedBeforeItWasJournaled(t *testing.T) {
	for name, gone := range map[string]bool{"another instance runs": false, "the pod is gone": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				a := c.start("a", filepath.Join(t.TempDir(), "a"))
				p := c.pod(kubelet.Spec{Restart: corev1.RestartPolicyOnFailure, Init: []string{"init"}})
				p.Start("init").Exit(0)
				c.report(p)
				watchtest.Pass(2 * crewJournal)
				// From here on the journal is behind, and the sealer is not.
				c.store.Break(storetest.Fault{Op: storetest.OpPut, Key: "v1/_journal/*", Times: -1, Effect: storetest.NotStored(nil)})
				for n := range 3 {
					i := p.Start("main")
					c.report(p)
					i.Write(time.Now(), fmt.Sprint("attempt ", n))
					i.Exit(1)
					c.report(p)
					watchtest.Pass(time.Minute)
				}
				c.kill(a)
				c.store.Mend()
				if gone {
					c.remove(p)
				} else {
					p.Finish(corev1.PodFailed, "", "")
					c.report(p)
				}
				c.start("b", filepath.Join(t.TempDir(), "b"))
				m := c.sealed(p)
				for n := range 3 {
					r := c.record(m, "main", n)
					if r.Verdict != archive.Complete || len(c.lines(r)) != 1 {
						t.Errorf("attempt %d: got verdict %s (%s) and %d lines, want complete and 1", n, r.Verdict, r.Reason, len(c.lines(r)))
					}
				}
			})
		})
	}
}

// TestPodGoneBeforeItsLogWasJournaled has a pod gone with its replica, and a journal that holds the draft and no log.
// What may have been written is lost, and said to be: also of a container that had not started when it was last seen.
func TestPodGoneBeforeItsLogWasJournaled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		p := c.pod(kubelet.Spec{Init: []string{"init"}})
		i := p.Start("init")
		draft := newPod(p.Object()).draftNow(nil)
		c.remove(p)
		spool, err := spool.Open(spool.Config{Dir: filepath.Join(t.TempDir(), "a"), Limit: 1 << 20, Memory: 1 << 20, FlushInterval: crewFlush}, c.codec, slog.New(slog.DiscardHandler))
		c.must(err)
		c.must(spool.SaveDraft(draft))
		c.must(journal.New(journal.Config{Replica: "a"}, c.store, spool, slog.New(slog.DiscardHandler), func(error) {}).Flush(t.Context()))
		c.start("b", filepath.Join(t.TempDir(), "b"))
		m := c.sealed(p)
		for container, id := range map[string]string{"init": i.ID(), "main": ""} {
			if r := c.record(m, container, 0); r.Verdict != archive.Lost || r.ContainerID != id || len(r.Gaps) != 1 {
				t.Errorf("got %+v, want lost with one gap", r)
			}
		}
	})
}
