package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailLines is how much of a process's log is shown when something goes wrong.
const tailLines = 25

// process is one program that runs for a test. A nil process is one that was never started.
type process struct {
	name string
	log  string // path of its output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// program returns the path that an environment variable names.
func program(variable string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return "", fmt.Errorf("%s is not set: it must hold the path of the program; `make integration` builds the programs and sets it", variable)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is %q: %w; `make integration` builds the programs", variable, path, err)
	}
	return path, nil
}

// launch starts the program that the variable names. A goroutine waits for its end, on the thread that started it: the
// kernel ties the "die with your parent" signal to that thread.
func launch(variable, dir string, flags []string) (*process, error) {
	path, err := program(variable)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	out, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the log of %s: %w", name, err)
	}
	p := &process{name: name, log: out.Name(), cmd: exec.Command(path, flags...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer func() { _ = out.Close() }() // the process has its own copy
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// kill ends the process and waits for its end.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended before
	<-p.done
}

// waitFor asks again and again until ready says nil, the process ends or the time is up.
func (p *process) waitFor(limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready", p.name)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is not ready after %s", p.name, limit), last)
		case <-tick.C:
		}
	}
}

// tail returns the last lines of the process's output under a title.
func (p *process) tail() string {
	if p == nil {
		return ""
	}
	out, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("--- %s: %v\n", p.name, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Sprintf("--- last lines of %s\n%s\n", p.name, strings.Join(lines, "\n"))
}
