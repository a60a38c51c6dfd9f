//go:build integration

package integration

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/integration/kubelet"
)

// The environment of a daemon in a process of its own, which is this test program again.
const (
	envKubeconfig = "EPILOGUE_TEST_DAEMON_KUBECONFIG"
	envNamespace  = "EPILOGUE_TEST_DAEMON_NAMESPACE"
	envSpool      = "EPILOGUE_TEST_DAEMON_SPOOL"
	envStore      = "EPILOGUE_TEST_DAEMON_STORE"
)

// serveAsDaemon is the other process. It never ends by itself.
func serveAsDaemon() error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(envKubeconfig))
	if err != nil {
		return err
	}
	config.QPS = -1
	store, err := dir.Open(context.Background(), os.Getenv(envStore))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d, err := assemble(wiring{config: config, namespace: os.Getenv(envNamespace), store: store, spool: usualSpool(os.Getenv(envSpool)), follow: usualFollow, log: log})
	if err != nil {
		return err
	}
	d.work.Go(func() error { return d.spool.Run(context.Background()) })
	return d.watcher.Run(context.Background())
}

// TestFaultKilled: the daemon is killed by SIGKILL at random points while three pods write 2,000 lines a second each
// and their logs rotate.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	const lines, kills = 16_000, 10
	root := t.TempDir()
	store, err := dir.Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, setting{store: store, node: []kubelet.Option{kubelet.RotateAt(1 << 20)}})
	cmd := exec.Command(os.Args[0])
	spool := filepath.Join(t.TempDir(), "spool")
	cmd.Env = append(os.Environ(), envKubeconfig+"="+r.set.plane.KubeconfigFile(t), envNamespace+"="+r.ns, envSpool+"="+spool, envStore+"="+root)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	first := launchProcess(t, cmd)
	var pods [3]*kubelet.Pod
	var instances [3]*kubelet.Instance
	flood, stop := context.WithCancel(r.ctx)
	defer stop()
	written := make(chan error, len(pods))
	for n := range pods {
		pods[n], instances[n] = r.running()
		go func() {
			text := func(n int) string { return fmt.Sprintf("line %d %s", n, strings.Repeat("x", n%200)) }
			written <- instances[n].Flood(flood, kubelet.Load{Lines: lines, PerSecond: 2000, Text: text})
		}()
	}
	current := first
	for range kills {
		timer := time.NewTimer(300*time.Millisecond + time.Duration(random.Int64N(int64(600*time.Millisecond))))
		<-timer.C
		kill(t, current)
		current = launchProcess(t, cmd)
	}
	for range pods {
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range instances {
		c.Exit(0)
	}
	for n, p := range pods {
		record := r.proven(p, instances[n])
		var gaps int
		for _, g := range record.Gaps {
			if g.Reason != archive.GapRotated && g.Reason != archive.GapLateStart {
				t.Errorf("pod %d: got a gap of reason %s, want rotated", n, g.Reason)
			}
			gaps++
		}
		t.Logf("pod %d: %s, %d of %d lines, %d gaps, %d files", n, record.Verdict, record.Log.Lines, lines, gaps, len(instances[n].Files()))
	}
}

// launch starts the daemon's process; it is killed with the test.
func launchProcess(t *testing.T, like *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(like.Path)
	cmd.Env = like.Env
	said := &spoken{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill(t, cmd)
		if t.Failed() {
			t.Logf("a daemon's log:\n%s", said)
		}
	})
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}
