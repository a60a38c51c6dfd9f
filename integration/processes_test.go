//go:build integration

package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// TestReplicaProcesses: the program itself, in up to four processes over a real API server and a real S3 server,
// follows 500 logs while one is killed with its disk, one stands still past its Lease and goes on, one is cut off from
// the store, the number goes from three to one and back, and all are replaced one after the other. Logs are rotated
// once what they held is in a journal, so every line must be in the archive, once and in order, and every log proven
// complete, but for what a busy machine has doubted.
func TestReplicaProcesses(t *testing.T) {
	const pods, perJob = 500, 10
	g := gateway.Start(t)
	r := newRig(t, setting{store: openGateway(t, g)})
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	r.ctx = ctx
	f := &fleet{rig: r, gateway: g, program: buildDaemon(t)}
	f.start("a", "b", "c")
	all := r.playMany(pods, perJob)
	at := 0
	more := func() {
		t.Helper()
		writeAll(all, at, at+20)
		at += 20
		f.journaled(all, at)
	}
	// A log's last line must be in the file that is served when another replica goes on: else nothing can prove that
	// none came between. So there is more in a journal after a rotation, too.
	rotate := func(from int) {
		t.Helper()
		for n := from; n < len(all); n += 4 {
			all[n].c.Rotate()
		}
		more()
	}
	more()
	rotate(0)

	f.kill("a")
	f.settle("b", "c")
	more()
	rotate(1)

	f.signal("c", syscall.SIGSTOP)
	f.settle("b")
	writeAll(all, at, at+20)
	at += 20
	f.start("d")
	f.signal("c", syscall.SIGCONT)
	f.settle("b", "c", "d")
	more()
	rotate(2)

	f.proxies["b"].cut()
	writeAll(all, at, at+20)
	at += 20
	f.awaitMetric("b", "epilogue_journal_lag_seconds", func(v float64) bool { return v > 3 })
	f.proxies["b"].mend()
	more()

	f.stop("b", "c")
	f.settle("d")
	more()
	rotate(3)
	f.start("e", "f")
	f.settle("d", "e", "f")
	more()

	for n, old := range []string{"d", "e", "f"} {
		f.start(fmt.Sprint("g", n))
		f.stop(old)
		writeAll(all, at, at+10)
		at += 10
	}
	f.settle("g0", "g1", "g2")
	r.followedAll(all)
	f.finishAll(all)
}

// playMany starts pods, some of each Job, several at once.
func (r *rig) playMany(n, perJob int) []played {
	r.t.Helper()
	jobs := make([]*batchv1.Job, (n+perJob-1)/perJob)
	for i := range jobs {
		jobs[i] = r.newJob(fmt.Sprintf("job-%d", i))
	}
	all := make([]played, n)
	var work errgroup.Group
	work.SetLimit(8)
	for i := range all {
		work.Go(func() error {
			job := jobs[i/perJob]
			p := r.pod(kubelet.Spec{Job: job, Name: fmt.Sprintf("%s-pod-%d", job.Name, i)})
			all[i] = played{job, p, p.Start("main")}
			return nil
		})
	}
	_ = work.Wait() // what fails has failed the test
	return all
}
