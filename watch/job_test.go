package watch

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

// TestJobDeletedWhileItRan: such a Job gets a document, too, that says so. Else whoever follows it would wait for ever,
// and lists would call it running.
func TestJobDeletedWhileItRan(t *testing.T) {
	for name, restart := range map[string]bool{"in one life": false, "while no daemon watched": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t)
				h := c.start("a", filepath.Join(t.TempDir(), "a"))
				watchtest.Pass(time.Second)
				p := c.pod(kubelet.Spec{})
				job := c.addJob("job-1", time.Now())
				i := p.Start("main")
				c.report(p)
				i.Write(time.Now(), "one")
				watchtest.Pass(2 * crewJournal)
				disk := ""
				if restart {
					disk = c.kill(h)
				}
				c.must(c.server.Tracker().Delete(jobResource, jobsNamespace, job.Name))
				c.remove(p)
				if restart {
					c.start("a", disk)
				}
				c.sealed(p)
				watchtest.Pass(time.Minute)
				reader := read.New(find.Config{Store: c.memory, Codec: c.codec})
				kept, err := reader.Job(t.Context(), jobsNamespace, job.Name, "")
				c.must(err)
				d := kept.Document
				if !kept.Finished || d.Job.DeletedAt.IsZero() || len(d.Job.Conditions) > 0 || d.Job.UID != archive.JobUID(job.UID) || len(d.Pods) != 1 {
					t.Errorf("got %+v, finished %t; want a document of one pod that says that the Job was deleted", d, kept.Finished)
				}
				limited, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				a, err := reader.Read(limited, archive.Query{Target: archive.Target{Namespace: jobsNamespace, Job: job.Name}, Follow: true})
				c.must(err)
				lines := 0
				for _, err := range a.Entries {
					c.must(err)
					lines++
				}
				if lines != 1 || limited.Err() != nil {
					t.Errorf("got %d lines and %v, want one line and the end", lines, limited.Err())
				}
			})
		})
	}
}

// TestJobThatIsThere: a Job whose pods are all sealed is not thought to be deleted for the cache being behind.
func TestJobThatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		h := c.start("a", filepath.Join(t.TempDir(), "a"))
		watchtest.Pass(time.Second)
		p := c.pod(kubelet.Spec{})
		job := c.addJob("job-1", time.Now())
		p.Start("main").Exit(1)
		p.Finish(corev1.PodFailed, "", "")
		c.report(p)
		c.sealed(p)
		h.watcher.jobLeft(job)
		watchtest.Pass(time.Minute)
		for _, key := range c.memory.Keys() {
			if key == keyOfJob(job).ref().JobKey() {
				t.Errorf("got %s of a Job that is there", key)
			}
		}
	})
}
