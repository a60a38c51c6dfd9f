package stage

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Forward is a port of the cluster on this machine's loopback. It works wherever the API server does, be the cluster on
// this machine or not.
type Forward struct {
	Address string // host:port
	cmd     *exec.Cmd
}

// Forward opens one to a port of "service/name" or "pod/name" in the daemon's namespace.
func (s *Stage) Forward(ctx context.Context, target string, port int) (*Forward, error) {
	cmd := exec.Command(s.Kubectl, "-n", s.Namespace, "port-forward", target, fmt.Sprintf(":%d", port)) //nolint:noctx // lives until Close
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("forward %s: %w", target, err)
	}
	f := &Forward{cmd: cmd}
	started := make(chan string, 1)
	go func() {
		defer close(started)
		told := false
		// Reading goes on to the end, or the program would stand still once the pipe is full.
		for lines := bufio.NewScanner(out); lines.Scan(); {
			// Forwarding from 127.0.0.1:33445 -> 7070
			if _, rest, ok := strings.Cut(lines.Text(), "Forwarding from "); ok && !told {
				address, _, _ := strings.Cut(rest, " ")
				started <- address
				told = true
			}
		}
	}()
	select {
	case address := <-started:
		if address == "" {
			f.Close()
			return nil, fmt.Errorf("forward %s: %s", target, strings.TrimSpace(said.String()))
		}
		f.Address = address
		return f, nil
	case <-time.After(30 * time.Second):
	case <-ctx.Done():
	}
	f.Close()
	return nil, fmt.Errorf("forward %s: no answer: %s", target, strings.TrimSpace(said.String()))
}

// Close ends it.
func (f *Forward) Close() {
	if f == nil {
		return
	}
	_ = f.cmd.Process.Kill() // it may have ended by itself
	_ = f.cmd.Wait()
}
