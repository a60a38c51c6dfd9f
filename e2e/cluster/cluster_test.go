// Package cluster holds the scripts that make a kind cluster from nothing to what they promise: a run that is killed
// leaves nothing half made that is taken for whole, and what everybody meets some day is said in one sentence. Go,
// Docker and the rest are played by programs of a few lines, so that a step can be held where it is killed;
// `EPILOGUE_BREAK=yes make cold` does the same to real ones.
package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is one on which the scripts run: a cache, and stand-ins first in PATH. Each stand-in writes its call to
// calls.
type machine struct {
	*testing.T
	dir string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{T: t, dir: t.TempDir()}
	m.play("go", `case $1 in
list) echo example.com/a ;;
build) for a; do [ "$last" != -o ] || out=$a; last=$a; done; mkdir -p "$out" && echo whole >"$out/kind" && chmod +x "$out/kind" ;;
esac`)
	return m
}

// play makes a stand-in: a program in bash, which notes its call first.
func (m *machine) play(name, body string) {
	m.Helper()
	bin := filepath.Join(m.dir, "bin")
	text := fmt.Sprintf("#!/bin/bash\necho %s \"$@\" >>%s\n%s\n", name, filepath.Join(m.dir, "calls"), body)
	if err := errors.Join(os.MkdirAll(bin, 0o750), os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700)); err != nil {
		m.Fatal(err)
	}
}

// held is the body of a stand-in that leaves half of a file, says so at the pipe, and goes on only when it is killed.
func (m *machine) held(half string) string {
	return fmt.Sprintf("mkdir -p \"$(dirname %[1]s)\"; echo half >%[1]s; echo held >%[2]s; read -r never <>%[3]s",
		half, m.pipe("begun"), m.pipe("never"))
}

func (m *machine) pipe(name string) string {
	m.Helper()
	path := filepath.Join(m.dir, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		m.Fatal(err)
	}
	return path
}

func (m *machine) command(script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.Context(), "bash", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(m.dir, "bin")+":"+os.Getenv("PATH"), "EPILOGUE_CACHE="+filepath.Join(m.dir, "cache"),
		"HOME="+m.dir, "DOCKER_HOST=", "EPILOGUE_ENGINE=", "EPILOGUE_TIMES=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// run returns what a script printed on both outputs.
func (m *machine) run(script string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := m.command(script, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.String(), err
}

// killed runs a script until its stand-in is held, and ends all of its session at once.
func (m *machine) killed(script string, args ...string) {
	m.Helper()
	begun := m.pipe("begun")
	pipe, err := os.OpenFile(begun, os.O_RDWR, 0)
	if err != nil {
		m.Fatal(err)
	}
	defer pipe.Close()
	var said bytes.Buffer
	cmd := m.command(script, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it was killed, or what comes by the pipe tells
		_, _ = pipe.WriteString("ended\n")
	}()
	news, err := bufio.NewReader(pipe).ReadString('\n')
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	if err != nil || news != "held\n" {
		m.Fatalf("got %q (%v), want the stand-in held; the script said:\n%s", news, err, &said)
	}
}

// calls returns those of the stand-ins since the last time.
func (m *machine) calls() string {
	m.Helper()
	path := filepath.Join(m.dir, "calls")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.Fatal(err)
	}
	_ = os.Remove(path)
	return string(text)
}

func (m *machine) cache(pattern string) []string {
	m.Helper()
	found, err := filepath.Glob(filepath.Join(m.dir, "cache", pattern))
	if err != nil {
		m.Fatal(err)
	}
	return found
}

func TestBrokenOffWhileProgramsAreBuilt(t *testing.T) {
	m := newMachine(t)
	whole, err := os.ReadFile(filepath.Join(m.dir, "bin", "go"))
	if err != nil {
		t.Fatal(err)
	}
	m.play("go", "case $1 in list) echo example.com/a ;; build) "+m.held(filepath.Join(m.dir, "cache/build/programs/kind"))+" ;; esac")
	m.killed("binaries.sh", "kind")
	if got := m.cache("bin/*"); len(got) > 0 {
		t.Errorf("after the kill: got %q, want no program", got)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "bin", "go"), whole, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, err := m.run("binaries.sh", "kind"); err != nil {
		t.Fatalf("typed again: %v: %s", err, said)
	}
	built := m.cache("bin/kind-v*")
	if len(built) != 1 {
		t.Fatalf("got %q, want one program", built)
	}
	if text, err := os.ReadFile(built[0]); err != nil || string(text) != "whole\n" {
		t.Errorf("got %q (%v), want the whole one", text, err)
	}
	m.calls()
	if said, err := m.run("binaries.sh", "kind"); err != nil || m.calls() != "" {
		t.Errorf("a third time: %v, want nothing built: %s", err, said)
	}
}

func TestBrokenOffWhileTheNodeImageIsSaved(t *testing.T) {
	m := newMachine(t)
	m.play("docker", `[ $1 != save ] || { `+m.held("\"$3\"")+`; }`)
	m.killed("node-image.sh", "--keep")
	if got := m.cache("node-image-*.tar"); len(got) > 0 {
		t.Errorf("after the kill: got %q, want no image", got)
	}
	m.play("docker", `[ $1 != save ] || echo whole >"$3"`)
	if said, err := m.run("node-image.sh", "--keep"); err != nil {
		t.Fatalf("typed again: %v: %s", err, said)
	}
	saved := m.cache("node-image-*")
	if len(saved) != 1 {
		t.Fatalf("got %q, want one image and no half of one", saved)
	}
	if text, err := os.ReadFile(saved[0]); err != nil || string(text) != "whole\n" {
		t.Errorf("got %q (%v), want the whole one", text, err)
	}
}

// A cluster whose making was cut off may even answer; it is made anew all the same, for nobody has seen it whole.
func TestBrokenOffWhileTheClusterIsCreated(t *testing.T) {
	m := newMachine(t)
	m.play("docker", `case "$*" in
*CgroupVersion*) echo 2 ;;
"inspect -f"*) echo "node-id true" ;;
esac`)
	kubectl := `case "$*" in *nodes*) echo True ;; *coredns*) echo 1 ;; esac`
	kind := filepath.Join(m.dir, "kind")
	m.play("go", `case $1 in
list) echo example.com/a ;;
build) for a; do [ "$last" != -o ] || out=$a; last=$a; done; mkdir -p "$out"
	printf '#!/bin/bash\nexec `+kind+` "$@"\n' >"$out/kind"
	printf '#!/bin/bash\n`+strings.ReplaceAll(strings.ReplaceAll(kubectl, "\"", `"`), "$*", `$*`)+`\n' >"$out/kubectl"
	cp "$out/kind" "$out/versitygw"
	chmod +x "$out"/* ;;
esac`)
	asKind := func(body string) {
		m.play("kind", body)
		if err := os.Rename(filepath.Join(m.dir, "bin", "kind"), kind); err != nil {
			t.Fatal(err)
		}
	}
	asKind(`case $1 in create) echo half >` + filepath.Join(m.dir, "cache/kubeconfig") + `; echo held >` + m.pipe("begun") + `; read -r never <>` + m.pipe("never") + ` ;; esac`)
	m.killed("up.sh")
	asKind(`[ $1 != create ] || echo whole >` + filepath.Join(m.dir, "cache/kubeconfig"))
	m.calls()
	if said, err := m.run("up.sh"); err != nil {
		t.Fatalf("typed again: %v: %s", err, said)
	}
	calls := m.calls()
	gone, made := strings.Index(calls, "kind delete cluster"), strings.Index(calls, "kind create cluster")
	if gone < 0 || made < gone {
		t.Errorf("got calls\n%s\nwant what was half made deleted, then a new cluster", calls)
	}
	if said, err := m.run("up.sh"); err != nil || strings.Contains(m.calls(), "kind create") {
		t.Errorf("a third time: %v, want the cluster left as it is: %s", err, said)
	}
}

func TestOneSentence(t *testing.T) {
	for _, c := range []struct {
		name, program, body, script string
		want                        string
	}{
		{"a full disk", "go", `echo "write /x: no space left on device" >&2; exit 1`, "binaries.sh", "the disk is full"},
		{"no network", "go", `echo "dial tcp: lookup proxy.golang.org: no such host" >&2; exit 1`, "binaries.sh", "the network does not answer"},
		{"no root", "id", `echo 1000`, "up.sh", "no Docker engine answers: start one, or as root"},
		{"an engine that does not answer", "docker", `exit 1`, "up.sh", "does not answer: start it, or unset DOCKER_HOST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			m.play("docker", "exit 1")
			m.play(c.program, c.body)
			cmd := m.command(c.script, "kind")
			if c.program == "docker" {
				cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+filepath.Join(m.dir, "no.sock"))
			}
			said, err := cmd.CombinedOutput()
			if err == nil || strings.Count(string(said), c.want) != 1 {
				t.Errorf("got %v and\n%s\nwant a failure that says once %q", err, said, c.want)
			}
		})
	}
}
