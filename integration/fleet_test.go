//go:build integration

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/journal"
	"github.com/epilogue-dev/epilogue/integration/gateway"
	"github.com/epilogue-dev/epilogue/integration/oracle"
)

// fleetLease is as long as a machine with much else to do may take to renew one: a replica that loses its Lease while
// logs are rotated has lost what was in its streams.
const fleetLease = 2 * leaseTime

// fleet is the processes of a test.
type fleet struct {
	*rig
	gateway *gateway.Gateway
	program string
	flags   []string // besides the usual ones, which they beat
	live    map[string]*daemonProcess
	proxies map[string]*proxy
}

type daemonProcess struct {
	cmd             *exec.Cmd
	said            *spoken
	health, metrics string // host:port
	spool           string
}

// buildDaemon returns the program's path. It is linked once for all tests.
func buildDaemon(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "epilogue-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "epilogue")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/epilogue-dev/epilogue/cmd/daemon")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the daemon: %w: %s", err, out)
	}
	return path, nil
})

// builtIn is the folder of the program, "" where no test has asked for it. TestMain removes it.
var builtIn string

// start starts processes and waits until each is ready.
func (f *fleet) start(names ...string) {
	f.t.Helper()
	if f.live == nil {
		f.live, f.proxies = map[string]*daemonProcess{}, map[string]*proxy{}
	}
	for _, name := range names {
		f.launch(name)
	}
	for _, name := range names {
		p := f.live[name]
		f.await(name+" to be ready", func() bool {
			_, err := f.get(p.health, "/readyz")
			return err == nil
		})
	}
}

func (f *fleet) launch(name string) {
	f.t.Helper()
	p := &daemonProcess{said: &spoken{}, health: address(f.t), metrics: address(f.t), spool: filepath.Join(f.t.TempDir(), name)}
	f.proxies[name] = newProxy(f.t, strings.TrimPrefix(f.gateway.Endpoint, "http://"))
	p.cmd = exec.Command(f.program, append([]string{
		"--kubeconfig", f.set.plane.KubeconfigFile(f.t), "--namespace", f.ns, "--lease-namespace", f.ns, "--replica", name,
		"--lease-duration", fleetLease.String(), "--journal-interval", "1s", "--flush-interval", "100ms",
		"--archive", "s3://" + f.gateway.Bucket, "--s3-endpoint", "http://" + f.proxies[name].address(), "--s3-region", f.gateway.Region,
		"--store-timeout", "5s", "--spool-dir", p.spool, "--cleanup=false", "--launcher=false", "--api-listen", "off", "--api-qps", "1000", "--api-burst", "2000",
		"--stream-open-rate", "1000", "--health-listen", p.health, "--metrics-listen", p.metrics, "--shutdown-grace", "20s",
	}, f.flags...)...)
	p.cmd.Env = os.Environ() // the gateway's credentials are in it
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(f.t, p.cmd.Start())
	f.live[name] = p
	f.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait() // it was killed
		}
		if text := p.said.String(); f.t.Failed() {
			f.t.Logf("%s said:\n%s", name, text[max(0, len(text)-6000):])
		}
	})
}

// kill ends a process at once, and its disk.
func (f *fleet) kill(name string) {
	f.t.Helper()
	p := f.live[name]
	delete(f.live, name)
	must(f.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // it was killed
	must(f.t, os.RemoveAll(p.spool))
}

// stop asks processes to end and waits until they have, without an error.
func (f *fleet) stop(names ...string) {
	f.t.Helper()
	for _, name := range names {
		f.signal(name, syscall.SIGTERM)
	}
	for _, name := range names {
		if err := f.live[name].cmd.Wait(); err != nil {
			f.t.Errorf("%s: %v, want exit code 0", name, err)
		}
		delete(f.live, name)
	}
}

func (f *fleet) signal(name string, signal os.Signal) {
	f.t.Helper()
	must(f.t, f.live[name].cmd.Process.Signal(signal))
}

// settle waits until just these hold Leases, and each of them sees that many.
func (f *fleet) settle(names ...string) {
	f.t.Helper()
	want := make([]string, 0, len(names))
	for _, name := range names {
		want = append(want, "epilogue-"+name)
	}
	slices.Sort(want)
	f.await(fmt.Sprintf("%v to be alone with the Leases", names), func() bool {
		list, err := f.set.plane.Client().CoordinationV1().Leases(f.ns).List(f.ctx, metav1.ListOptions{})
		if err != nil {
			return false
		}
		var got []string
		for _, lease := range list.Items {
			got = append(got, lease.Name)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
	for _, name := range names {
		f.awaitMetric(name, "epilogue_replicas", func(v float64) bool { return int(v) == len(names) })
	}
}

func (f *fleet) awaitMetric(name, metric string, holds func(float64) bool) {
	f.t.Helper()
	f.await(name+"'s "+metric, func() bool {
		v, ok := f.metric(name, metric)
		return ok && holds(v)
	})
}

func (f *fleet) metric(name, metric string) (value float64, ok bool) {
	page, err := f.get(f.live[name].metrics, "/metrics")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(page) {
		if rest, found := strings.CutPrefix(line, metric+" "); found {
			_, err := fmt.Sscan(rest, &value)
			return value, err == nil
		}
	}
	return 0, false
}

// journaled waits until so many lines of each log are in journals. That a stream has served them is not enough: on a
// busy machine they may be on their way for longer than anything here takes.
func (f *fleet) journaled(all []played, lines int) {
	f.t.Helper()
	f.await(fmt.Sprintf("%d lines of each log to be journaled", lines), func() bool {
		pods := f.inJournals()
		return !slices.ContainsFunc(all, func(x played) bool {
			p := pods[archive.PodUID(x.pod.Object().UID)]
			if p == nil {
				return true
			}
			for _, chain := range p.Logs() {
				if chain.Lines >= int64(lines) {
					return false
				}
			}
			return true
		})
	})
}

// inJournals returns what is journaled of all pods.
func (f *fleet) inJournals() map[archive.PodUID]*journal.Pod {
	f.t.Helper()
	replicas, err := journal.Replicas(f.ctx, f.store)
	must(f.t, err)
	var view *journal.View
	must(f.t, journal.Consistently(func(final bool) error {
		view = &journal.View{
			Index: func(ctx context.Context, key archive.Key) (*format.JournalIndex, error) {
				return f.codec.ReadJournalIndex(ctx, f.store, key)
			},
			Wants: func(archive.PodRef) bool { return true },
		}
		return view.Read(f.ctx, f.store, replicas, final)
	}))
	return view.Pods
}

// finishAll ends all pods and holds the archive against what was written. A process that has to wait for a processor
// lets its streams stand still for longer than two rotations may be apart, and doubts then what it cannot know, though
// nothing is missing. That must not become the rule.
func (f *fleet) finishAll(all []played) {
	f.t.Helper()
	var work errgroup.Group
	work.SetLimit(8)
	for _, x := range all {
		work.Go(func() error { x.c.Exit(0); return nil })
	}
	_ = work.Wait() // what fails has failed the test
	lines, doubted := 0, 0
	for _, x := range all {
		f.job = x.job
		record := f.proven(x.pod, x.c)
		err := oracle.Whole(record, x.c)
		switch known := func(g archive.Gap) bool { return !g.Unproven || g.Reason != archive.GapRotated }; {
		case err == nil:
		case record.Log != nil && record.Log.Lines == int64(len(x.c.Lines())) && len(record.Gaps) > 0 && !slices.ContainsFunc(record.Gaps, known):
			doubted++
		default:
			f.t.Errorf("%s: %v", x.pod.Name(), err)
		}
		lines += len(x.c.Lines())
	}
	if doubted > len(all)/4 {
		f.t.Errorf("%d of %d logs are doubted, want few", doubted, len(all))
	}
	f.t.Logf("%d lines of %d logs are accounted for, of which %d are doubted", lines, len(all), doubted)
}

func (f *fleet) get(address, path string) (string, error) {
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	return string(text), err
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}
