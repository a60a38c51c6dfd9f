//go:build integration && bench

// Package bench measures the program as it is shipped: a daemon process of its own, against a real API server, a fake
// node in this process and a real S3 server.
//
// The machine is shared and small, so nothing here passes or fails by a time, but for the lag of deletions, which has
// room enough: figures are medians of rounds that take turns within one run, and CPU is what the kernel charged to the
// processes. docs/benchmarks.md tells what they mean. Nothing survives a run but what -profiles was given.
package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/integration/controlplane"
)

var (
	plane   *controlplane.ControlPlane
	program string // the daemon's path

	profiles = flag.String("profiles", "", "folder for CPU profiles of the daemon; its program then holds a profiler")
	megs     = flag.Int64("megs", 512, "MiB of text in the large log")
	rounds   = flag.Int("rounds", 3, "rounds of each comparison")
	speed    = flag.Int("speed", 80_000, "lines a second of the log that is rotated, 0: as fast as it goes")
	monitor  = flag.Duration("monitor", 3*time.Second, "how often the kubelet looks at the sizes of logs: 3s is the least that it takes, 10s its default")

	apart = flag.Bool("apart", false, "readers run on the last processor, everything else on the others")

	kubectlPath = flag.String("kubectl", "kubectl", "the kubectl to compare with")
	awsPath     = flag.String("aws", "aws", "the AWS command line to compare with")
)

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "bench-")
	if err == nil {
		program, err = build(dir)
	}
	if err == nil && *apart {
		err = keepAway()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := controlplane.Run(m, func(cp *controlplane.ControlPlane) { plane = cp },
		controlplane.Flags("--max-mutating-requests-inflight=0", "--max-requests-inflight=0", "--enable-priority-and-fairness=false"))
	_ = os.RemoveAll(dir) // left-over files are no reason to fail
	os.Exit(code)
}

// keepAway leaves the last processor to the readers. What this process starts from now on stays off it, unless started
// by reader. Without that, on a small machine, a reader that computes takes the server's time away and so looks slower
// at reading.
func keepAway() error {
	cpus := fmt.Sprintf("0-%d", runtime.NumCPU()-2)
	out, err := exec.Command("taskset", "-a", "-c", "-p", cpus, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("keep off processor %d: %w: %s", runtime.NumCPU()-1, err, out)
	}
	return nil
}

// reader returns a command that reads logs.
func reader(path string, args ...string) *exec.Cmd {
	if !*apart {
		return exec.Command(path, args...)
	}
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(runtime.NumCPU() - 1), path}, args...)...)
}

// build builds the daemon. With -profiles a file that serves net/http/pprof is laid over its package, so that the
// program itself needs no profiler.
func build(dir string) (string, error) {
	path := filepath.Join(dir, "epilogue")
	args := []string{"build", "-trimpath", "-o", path}
	if *profiles != "" {
		overlay, err := layOver(dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "github.com/epilogue-dev/epilogue/cmd/daemon")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return path, nil
}

const profilerSource = `package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() { go http.ListenAndServe(os.Getenv("BENCH_PPROF"), nil) }
`

func layOver(dir string) (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	source, overlay := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	target := filepath.Join(strings.TrimSpace(string(root)), "cmd", "daemon", "profiler.go")
	if err := os.WriteFile(source, []byte(profilerSource), 0o600); err != nil {
		return "", fmt.Errorf("write the profiler: %w", err)
	}
	text := fmt.Sprintf(`{"Replace": {%q: %q}}`, target, source)
	if err := os.WriteFile(overlay, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return overlay, nil
}
