package dir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/epilogue-dev/epilogue/archive"
)

const (
	envRoot = "EPILOGUE_TEST_DIR_ROOT"
	envName = "EPILOGUE_TEST_DIR_NAME"
)

// TestOtherProcess is not a test: TestIfAbsentAcrossProcesses runs it in processes of its own.
func TestOtherProcess(t *testing.T) {
	root := os.Getenv(envRoot)
	if root == "" {
		return
	}
	s := open(t, root)
	// The parent closes the pipe when all processes stand here.
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for i := range 20 {
		key := archive.Key(fmt.Sprintf("v1/race/%d", i))
		err := s.Put(t.Context(), key, strings.NewReader(os.Getenv(envName)), archive.PutOptions{IfAbsent: true})
		switch {
		case err == nil:
			fmt.Println("won", i)
		case !errors.Is(err, archive.ErrExists):
			t.Errorf("Put(%q) = %v, want nil or ErrExists", key, err)
		}
	}
}

func TestIfAbsentAcrossProcesses(t *testing.T) {
	const processes = 4
	root := t.TempDir()
	outputs := make([]string, processes)
	var ready, done sync.WaitGroup
	var pipes []io.Closer
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
		cmd.Env = append(os.Environ(), envRoot+"="+root, fmt.Sprintf("%s=%d", envName, i))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pipes = append(pipes, in)
		ready.Add(1)
		done.Go(func() {
			outputs[i] = readOutput(out, ready.Done)
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v, want it to pass:\n%s", i, err, outputs[i])
			}
		})
	}
	ready.Wait()
	for _, in := range pipes {
		_ = in.Close()
	}
	done.Wait()
	wantWinners(t, open(t, root), outputs)
}

// readOutput reads all of out and calls ready once, when the process says so or ends.
func readOutput(out io.Reader, ready func()) string {
	var all strings.Builder
	once := sync.OnceFunc(ready)
	defer once()
	buf := make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		all.Write(buf[:n])
		if strings.Contains(all.String(), "ready") {
			once()
		}
		if err != nil {
			return all.String()
		}
	}
}

func wantWinners(t *testing.T, s *Store, outputs []string) {
	t.Helper()
	for i := range 20 {
		var winners []string
		for p, out := range outputs {
			if strings.Contains(out, fmt.Sprintf("won %d\n", i)) {
				winners = append(winners, fmt.Sprint(p))
			}
		}
		body, _, err := s.Get(t.Context(), archive.Key(fmt.Sprintf("v1/race/%d", i)), archive.Range{})
		if err != nil {
			t.Fatalf("key %d: Get = %v, want nil", i, err)
		}
		got, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		if len(winners) != 1 || winners[0] != string(got) {
			t.Errorf("key %d: got winners %q and body %q, want one winner and its body", i, winners, got)
		}
	}
}
