package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/dir"
	"github.com/epilogue-dev/epilogue/archive/find"
	"github.com/epilogue-dev/epilogue/archive/format"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/golden"
	"github.com/epilogue-dev/epilogue/rights"
)

// trying is `epilogue try` at work.
type trying struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Scanner
	said   *bytes.Buffer   // standard error
	screen strings.Builder // what came of out so far
	folder string          // of the archive
}

// startTry starts one in the folder where; the archive is its default, or that of args.
func startTry(t *testing.T, kubeconfig, where string, args ...string) *trying {
	t.Helper()
	cmd, said := act(t, "program", []string{"KUBECONFIG=" + kubeconfig, "EPILOGUE_NAMESPACE=of-a-daemon"}, append([]string{"try"}, args...)...)
	cmd.Dir = where
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &trying{t: t, cmd: cmd, out: bufio.NewScanner(pipe), said: said, folder: filepath.Join(where, "epilogue-archive")}
}

// await reads until a line has the text.
func (r *trying) await(text string) {
	r.t.Helper()
	for r.out.Scan() {
		r.screen.WriteString(r.out.Text() + "\n")
		if strings.Contains(r.out.Text(), text) {
			return
		}
	}
	r.t.Fatalf("got no line with %q; on the screen was\n%sand on standard error\n%s", text, r.screen.String(), r.said)
}

// end reads the rest, and wants exit code 0.
func (r *trying) end() string {
	r.t.Helper()
	for r.out.Scan() {
		r.screen.WriteString(r.out.Text() + "\n")
	}
	if got := exited(r.t, r.cmd.Wait()); got != 0 || r.said.Len() > 0 {
		r.t.Errorf("got exit code %d and %q on standard error, want 0 and nothing; on the screen was\n%s", got, r.said, r.screen.String())
	}
	return r.screen.String()
}

func (r *trying) interrupt() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
}

// wantLines: the screen has these lines, in this order.
func (r *trying) wantLines(screen string, want ...string) {
	r.t.Helper()
	lines := strings.Split(screen, "\n")
	for _, w := range want {
		at := slices.Index(lines, w)
		if at < 0 {
			r.t.Errorf("got no line %q, or not in its place; on the screen was\n%s", w, screen)
			return
		}
		lines = lines[at+1:]
	}
}

// kept reads the log of a pod from the folder alone.
func kept(t *testing.T, folder, pod string) (verdict archive.Verdict, text string) {
	t.Helper()
	store, err := dir.Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := format.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	reader := read.New(find.Config{Store: store, Codec: codec})
	answer, err := reader.Read(t.Context(), archive.Query{Target: archive.Target{Namespace: "jobs", Pod: pod}})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for e, err := range answer.Entries {
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(string(e.Text) + "\n")
	}
	return answer.Logs[0].Verdict, all.String()
}

// only says what of the requests is no verb that reads. Each of get, list and watch is a GET.
func (s *tried) written() []string {
	return slices.DeleteFunc(s.requests(), func(r string) bool {
		return strings.HasPrefix(r, "GET get ") || strings.HasPrefix(r, "GET list ") || strings.HasPrefix(r, "GET watch ")
	})
}

// TestTryWritesNothing: over a whole trial, with a Job that had ended before and one that lives through it, the API
// server gets nothing but get, list and watch; and all is shown, kept, and told how to be read.
func TestTryWritesNothing(t *testing.T) {
	s := newTried(t)
	s.write("old-x7k2p", "from before")
	oldJob, oldPod := s.job("old")
	s.finish(oldJob, oldPod)
	live, pod := s.job("live")
	s.write("live-x7k2p", "first \x1b[2Jline")

	r := startTry(t, s.kubeconfig(), t.TempDir(), "--until-idle")
	r.await("[live/main] first")
	s.write("live-x7k2p", "last line")
	s.finish(live, pod)
	screen := r.end()

	r.wantLines(screen, "* job live: running", "* live/main: started in pod live-x7k2p", "[live/main] first \x1b[2Jline", "[live/main] last line",
		"* live/main: complete, 2 lines, 25 B, exit code 0", "* job live: Complete, archived",
		"2 Jobs, 2 pods. Their logs: 2 complete.", "An installation, by its Helm chart, would besides")
	r.wantLines(screen, "* old/main: complete, 1 line, 12 B, exit code 0", "* job old: Complete, archived")
	for _, part := range []string{"Nothing is written in the cluster.", "\n* pod live-x7k2p: succeeded after ", "    kubectl epilogue logs ", " -n jobs --archive file://" + r.folder} {
		if !strings.Contains(screen, part) {
			t.Errorf("got\n%swant %q in it", screen, part)
		}
	}
	if strings.Contains(screen, "from before") {
		t.Errorf("got\n%swant no lines of a pod that had ended before", screen)
	}
	for name, want := range map[string]string{"old-x7k2p": "from before\n", "live-x7k2p": "first \x1b[2Jline\nlast line\n"} {
		if verdict, text := kept(t, r.folder, name); verdict != archive.Complete || text != want {
			t.Errorf("%s: got verdict %s and %q, want %s and %q", name, verdict, text, archive.Complete, want)
		}
	}
	if got := s.written(); len(got) > 0 {
		t.Errorf("got the requests %q, want none but to get, list and watch", got)
	}
	for _, want := range []string{"list jobs", "watch jobs", "list pods", "watch pods", "list events", "watch events", "get pods/log"} {
		if !slices.Contains(s.requests(), "GET "+want) {
			t.Errorf("got the requests %q, want %q among them: the test does not see what the program does", s.requests(), want)
		}
	}
	t.Run("by hand", func(t *testing.T) { readByHand(t, screen) })
}

// readByHand does with the file what the screen says.
func readByHand(t *testing.T, screen string) {
	_, path, _ := strings.Cut(screen, "    zstd -dc ")
	path, _, _ = strings.Cut(path, "\n")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	text, err := io.ReadAll(plain)
	if err != nil || !strings.HasSuffix(string(text), "\n") {
		t.Errorf("got %q, %v of %s, want the lines of a log", text, err, path)
	}
}

// TestDaemonWritesToTheSameServer: what a trial must not send the server of that test would have seen, had it been
// sent.
func TestDaemonWritesToTheSameServer(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--cleanup=false", "PATCH patch jobs"}, // the gate
		{"--lease-namespace=jobs", "POST post leases"},
		{"--dry-run", "POST post selfsubjectaccessreviews"},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			s := newTried(t)
			s.job("live")
			folder := t.TempDir()
			cmd, said := act(t, "program", nil, "--kubeconfig", s.kubeconfig(), "--namespace", "jobs", "--archive", "file://"+folder+"/archive",
				"--spool-dir", folder+"/spool", "--health-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--api-listen", "off", test.args)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			limit, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			for !slices.Contains(s.written(), test.want) && limit.Err() == nil {
				select {
				case <-tick.C:
				case <-limit.Done():
				}
			}
			_ = cmd.Process.Kill() // or it has ended
			_ = cmd.Wait()         // as above
			if got := s.written(); !slices.Contains(got, test.want) {
				t.Errorf("got the requests %q that write, want %q among them; it said\n%s", got, test.want, said)
			}
		})
	}
}

// TestTryGoesOn: Ctrl-C ends a trial well. What was open can be read from the folder, and the next trial there makes it
// whole.
func TestTryGoesOn(t *testing.T) {
	s := newTried(t)
	live, pod := s.job("live")
	s.write("live-x7k2p", "first line")
	where, kubeconfig := t.TempDir(), s.kubeconfig()
	r := startTry(t, kubeconfig, where)
	r.await("[live/main] first line")
	r.interrupt()
	screen := r.end()
	if want := "Of 1 pod that had not ended all that came is kept, too"; !strings.Contains(screen, want) {
		t.Errorf("got\n%swant %q in it", screen, want)
	}
	if verdict, text := kept(t, r.folder, "live-x7k2p"); verdict != "" || text != "first line\n" {
		t.Errorf("got verdict %q and %q after Ctrl-C, want an open log with its line", verdict, text)
	}
	r = startTry(t, kubeconfig, where, "--for", "1h", "--until-idle")
	r.await("[live/main] first line")
	s.write("live-x7k2p", "last line")
	s.finish(live, pod)
	r.end()
	if verdict, text := kept(t, r.folder, "live-x7k2p"); verdict != archive.Complete || text != "first line\nlast line\n" {
		t.Errorf("got verdict %s and %q, want both lines once, and all of it proven", verdict, text)
	}
}

// TestTryHasAFolderOfItsOwn: a second trial in the folder is refused, and takes nothing from the first.
func TestTryHasAFolderOfItsOwn(t *testing.T) {
	s := newTried(t)
	s.job("live")
	s.write("live-x7k2p", "first line")
	where, kubeconfig := t.TempDir(), s.kubeconfig()
	r := startTry(t, kubeconfig, where, "--for", "1h")
	r.await("[live/main] first line")
	second, said := act(t, "program", []string{"KUBECONFIG=" + kubeconfig}, "try", "--archive", r.folder)
	if got := exited(t, second.Run()); got != exitStore || !strings.Contains(said.String(), "another epilogue try is at work in it; --archive names another one") {
		t.Errorf("got exit code %d and %q, want %d and why", got, said, exitStore)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.end()
}

// TestTryRefuses: what is wrong is said in one line, that names it, and nothing is made.
func TestTryRefuses(t *testing.T) {
	away := kubeconfigOf(t, "http://"+refusing(t))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		refuse string // a verb and a resource
		status int    // of every answer
		args   []string
		want   int
		says   string
	}{
		{"no right to list Jobs", "list jobs", 0, nil, exitRights, "missing rights in namespace jobs: list jobs.batch (to know which pods to keep); whoever has the ClusterRole \"view\""},
		{"no right to read logs", "get pods/log", 0, nil, exitRights, "missing rights in namespace jobs: get pods/log (to read logs);"},
		{"no right to watch pods", "watch pods", 0, nil, exitRights, "missing rights in namespace jobs: watch pods (to see containers start);"},
		{"may look, but not at namespaces", "get namespaces", 0, []string{"--for", "1ms"}, 0, ""},
		{"no such namespace", "", 0, []string{"-n", "jobz"}, exitSettings, `no such namespace: value "jobz" of --namespace: want one that API server http://`},
		{"wrong credentials", "", 401, nil, exitFailed, "does not accept the kubeconfig's credentials; does `kubectl get pods` work"},
		{"API server away", "", 0, []string{"--kubeconfig", away}, exitFailed, "does not answer; does `kubectl get pods` work"},
		{"no such kubeconfig", "", 0, []string{"--kubeconfig", "/no/such/file"}, exitSettings, `--kubeconfig: value "/no/such/file": want a file that can be read`},
		{"no such context", "", 0, []string{"--context", "d"}, exitSettings, `--context: value "d": want a context of the kubeconfig, which has c`},
		{"a bucket", "", 0, []string{"--archive", "s3://logs"}, exitSettings, `--archive: value "s3://logs": want a folder`},
		{"no folder", "", 0, []string{"--archive", file}, exitStore, "make archive folder " + file},
		{"no namespace's name", "", 0, []string{"--namespace", "A"}, exitSettings, `--namespace: value "A": want the name of one namespace`},
		{"a time below 0", "", 0, []string{"--for", "-1s"}, exitSettings, `--for: value "-1s": want a duration above 0`},
		{"no time", "", 0, []string{"--for", "long"}, exitSettings, `"long" for "--for" flag`},
		{"lines", "", 0, []string{"--lines", "some"}, exitSettings, `--lines: value "some": want new, all, none`},
		{"a setting of the daemon", "", 0, []string{"--cleanup=true"}, exitSettings, `--cleanup: value "true": want no setting of the daemon here`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newTried(t)
			s.refuse, s.status = test.refuse, test.status
			where := t.TempDir()
			cmd, said := act(t, "program", []string{"KUBECONFIG=" + s.kubeconfig()}, append([]string{"try"}, test.args...)...)
			cmd.Dir = where
			if got := exited(t, cmd.Run()); got != test.want || !strings.Contains(said.String(), test.says) {
				t.Errorf("got exit code %d and %q, want %d and %q", got, said, test.want, test.says)
			}
			if n := strings.Count(said.String(), "\n"); test.want != 0 && n != 1 {
				t.Errorf("got %d lines, want one:\n%s", n, said)
			}
			if left, err := os.ReadDir(where); test.want != 0 && (err != nil || len(left) > 0) {
				t.Errorf("got %v, %v in the folder, want nothing", left, err)
			}
			if got := s.written(); len(got) > 0 {
				t.Errorf("got the requests %q, want none but to get, list and watch", got)
			}
		})
	}
}

// refusing returns an address that refuses every connection until the test ends. Its port is held: one that was only
// given back could be that of the next test's server.
func refusing(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
}

// TestTryHelp: it has the flags of a trial and none of the daemon's.
func TestTryHelp(t *testing.T) {
	golden.Compare(t, "testdata/help-try.txt", []byte(tryHelp(t)))
}

func tryHelp(t *testing.T) string {
	t.Helper()
	cmd := command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"try", "--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const tryPage = `# Try it

<!-- Generated from the command. Do not edit: go test ./cmd/daemon -run TestTryPage -update -->

` + "`epilogue try`" + ` is Epilogue without an installation: one program, a kubeconfig, a folder. It reads what the daemon reads,
by the same code, and shows it. It has no janitor, holds no Lease and makes no Event; a test gives its whole run to an
API server that notes each request, and wants none but to get, list and watch.

` + "```text\n%s```" + `

## What is shown

| line | what it says |
|---|---|
| ` + "`* ...`" + ` | a Job, a pod or a container came, waits for something, ended; at the end of a log its verdict with the number of seams, if any, and each gap below it |
| ` + "`[job/container] ...`" + ` | what a container wrote; a Job's second pod has the pod's name in the Job's place, a container that has restarted ` + "`[1]`" + ` behind its own |
| ` + "`! ...`" + ` | something went wrong and is tried again: a full disk, an API server that is away; told once a minute at most |

On a terminal, control characters of a log are shown, as ` + "`^[`" + `, and steer nothing. A file or a pipe gets the bytes. The
lines come from the archive, not from the cluster: an output that stands still holds up no log.

## What is in the folder

The archive, as an installation would have it in a bucket ([read-by-hand.md](read-by-hand.md)), and in ` + "`.try`" + ` the spool,
the program's log ` + "`epilogue.log`" + ` and a lock: one trial at a time. The logs are readable for you and your group. What was
open when a trial ended is there, too; the next one in the folder goes on with it, also after a kill. To be rid of all
of it, remove the folder.

## What it cannot

It only looks. A pod that is deleted while it is read takes along what had not been served yet, which is a gap in its
manifest, and a pod that came and went while no trial ran was never seen: an installation is there before, and its gate
holds Jobs and pods until their logs are safe. Of a log that began before the trial, the kubelet serves the newest file
alone; what was rotated away before is a gap ` + "`late-start`" + `.

The user of the kubeconfig needs these rights in the namespace, which the ClusterRole ` + "`view`" + ` has. They are tried before
anything is made, and what is missing is named. Exit codes are [the daemon's](operations.md): 0 after Ctrl-C, too.

%s`

// TestTryPage generates docs/try.md.
func TestTryPage(t *testing.T) {
	var needed strings.Builder
	for _, r := range rights.Watching {
		fmt.Fprintf(&needed, "- `%s`, %s\n", r, r.For)
	}
	golden.Compare(t, "../../docs/try.md", fmt.Appendf(nil, tryPage, tryHelp(t), needed.String()))
}
