//go:build integration && bench

package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a server that runs beside the benchmark and ends with it.
type process struct {
	cmd   *exec.Cmd
	said  string // path of what it printed
	ended chan struct{}
}

func startProcess(b *testing.B, env []string, cmd *exec.Cmd) *process {
	b.Helper()
	p := &process{cmd: cmd, said: filepath.Join(b.TempDir(), "output"), ended: make(chan struct{})}
	out, err := os.Create(p.said)
	if err != nil {
		b.Fatal(err)
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // stop tells it to end, and await sees an early end
		_ = out.Close()
	}()
	b.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// await polls until what is waited for holds, as nothing tells when another process has done it.
func (p *process) await(b *testing.B, what string, every, limit time.Duration, holds func() bool) {
	b.Helper()
	tick, end := time.NewTicker(every), time.After(limit)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-p.ended:
			b.Fatalf("waited for %s: the process has ended:\n%s", what, p.lastWords())
		case <-end:
			b.Fatalf("waited %s for %s:\n%s", limit, what, p.lastWords())
		}
	}
}

func (p *process) lastWords() string {
	text, err := os.ReadFile(p.said)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// cpu returns the time that the process has had on the processors so far: user and system, in steps of 10 ms.
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, uerr := strconv.Atoi(fields[utime])
	system, serr := strconv.Atoi(fields[stime])
	if err := errors.Join(uerr, serr); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * tick
}

// memory returns a line of /proc/<pid>/status in bytes: VmRSS is what the process holds, VmHWM the most it ever held.
func (p *process) memory(b *testing.B, name string) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == name+":" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatalf("/proc/%d/status has no %s", p.cmd.Process.Pid, name)
	return 0
}

func freeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get returns the body of a URL on this machine.
func get(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// metric returns the sum of a metric over its labels, from a page of the daemon's metrics.
func metric(page []byte, name string) (sum float64) {
	for s := bufio.NewScanner(bytes.NewReader(page)); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), " ")
		if base, _, _ := strings.Cut(key, "{"); base == name {
			n, _ := strconv.ParseFloat(value, 64) // what is no number is a comment
			sum += n
		}
	}
	return sum
}
