package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/process"
)

// envAct makes the test binary something else: the program itself, or a part of it that ends a process.
const envAct = "EPILOGUE_TEST_ACT"

// envWords names the file that stands for the kubelet's.
const envWords = "EPILOGUE_TEST_LAST_WORDS"

var acts = map[string]func(){
	"program": main,
	"drain":   func() { drainForEver(time.Hour) },
	"late":    func() { drainForEver(50 * time.Millisecond) },
	"crash":   func() { crashElsewhere() },
}

func TestMain(m *testing.M) {
	if path := os.Getenv(envWords); path != "" {
		process.TerminationLog = path
		os.Unsetenv(envWords)
	}
	if act := acts[os.Getenv(envAct)]; act != nil {
		os.Unsetenv(envAct)
		act()
		os.Exit(99)
	}
	os.Exit(m.Run())
}

// drainForEver is told to stop and does not come to an end.
func drainForEver(grace time.Duration) {
	ctx, _ := process.Stopping(context.Background(), grace, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	fmt.Println("started")
	<-ctx.Done()
	fmt.Println("stopping")
	select {}
}

// act starts the test binary as something else. Only what is named is in its environment.
func act(t *testing.T, name string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append([]string{envAct + "=" + name, "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}, env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	return cmd, &said
}

// words returns the variable that makes a process leave its last words in a file, as the kubelet makes it, and what
// reads them.
func words(t *testing.T) (env string, read func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return envWords + "=" + path, func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func exited(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// TestSignals: the first signal asks, the second one ends, and so does the end of the grace.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		name, act string
		signals   []os.Signal
		want      int
		says      string
	}{
		{"second signal", "drain", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, exitSignal + 15, "aborted by a second signal"},
		{"interrupted twice", "drain", []os.Signal{syscall.SIGINT, syscall.SIGINT}, exitSignal + 2, "aborted by a second signal"},
		{"too late", "late", []os.Signal{syscall.SIGTERM}, exitLate, "not stopped within shutdown-grace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			env, last := words(t)
			cmd, said := act(t, test.act, []string{env})
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for _, s := range test.signals {
				if !lines.Scan() { // "started", then "stopping"
					t.Fatalf("got no line before the signal; it said %s", said)
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			for lines.Scan() {
				_ = lines.Text() // until it has ended
			}
			if got := exited(t, cmd.Wait()); got != test.want || !strings.Contains(said.String(), test.says) {
				t.Errorf("got exit code %d and\n%swant %d and %q", got, said, test.want, test.says)
			}
			if want := fmt.Sprintf("exit code %d: %s", test.want, test.says); !strings.HasPrefix(last(), want) {
				t.Errorf("got last words %q, want %q", last(), want)
			}
		})
	}
}

// apiServer answers reviews, and nothing else.
func apiServer(t *testing.T, may func(*authorizationv1.ResourceAttributes) bool) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		// Protobuf, as client-go likes it.
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		review, ok := object.(*authorizationv1.SelfSubjectAccessReview)
		if err != nil || !ok {
			http.NotFound(w, r)
			return
		}
		review.TypeMeta = metav1.TypeMeta{Kind: "SelfSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"}
		review.Status.Allowed = may(review.Spec.ResourceAttributes)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	return kubeconfigOf(t, server.URL)
}

func TestExitCodes(t *testing.T) {
	nothing := apiServer(t, func(*authorizationv1.ResourceAttributes) bool { return false })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	local := func(kubeconfig string, more ...string) []string {
		return append([]string{"--namespace", "jobs", "--archive", "file://" + t.TempDir(), "--spool-dir", t.TempDir() + "/spool", "--kubeconfig", kubeconfig,
			"--health-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"}, more...)
	}
	for _, test := range []struct {
		name string
		args []string
		want int
		says []string
	}{
		{"asked for its version", []string{"version"}, 0, nil},
		{"wrong settings, all at once", []string{"--spool-limit", "much"}, exitSettings, []string{"namespace", "archive", "spool-limit"}},
		{"unknown flag", []string{"--no-such-flag"}, exitSettings, []string{"no-such-flag"}},
		{"unknown command", []string{"dance"}, exitFailed, []string{"dance"}},
		{"missing rights, all at once", local(nothing), exitRights, []string{
			"watch pods in jobs", "get pods/log in jobs", "list jobs.batch in jobs", "patch jobs.batch in jobs", "delete jobs.batch in jobs", "create events in jobs",
			"create tokenreviews.authentication.k8s.io in the cluster", `"exit_code":4`,
		}},
		{"rights of Leases", local(nothing, "--lease-namespace", "system"), exitRights, []string{"update leases.coordination.k8s.io in system"}},
		{"archive cannot be opened", local(nothing, "--archive", "file://"+file), exitStore, []string{"open store folder"}},
		{"spool cannot be opened", local(nothing, "--spool-dir", file), exitStore, []string{"spool"}},
		{"port is not free", local(nothing, "--health-listen", "192.0.2.1:1"), exitFailed, []string{"listen on 192.0.2.1:1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env, last := words(t)
			cmd, said := act(t, "program", []string{env}, test.args...)
			if got := exited(t, cmd.Run()); got != test.want {
				t.Errorf("got exit code %d, want %d; it said\n%s", got, test.want, said)
			}
			for _, part := range test.says {
				if !strings.Contains(said.String(), part) {
					t.Errorf("got\n%swant %q in it", said, part)
				}
				if !strings.Contains(last(), strings.Trim(part, `"`)) && !strings.HasPrefix(part, `"exit_code"`) {
					t.Errorf("got last words %q, want %q in them", last(), part)
				}
			}
			if want := fmt.Sprintf("exit code %d: ", test.want); test.want != 0 && !strings.HasPrefix(last(), want) || test.want == 0 && last() != "" {
				t.Errorf("got last words %q, want them to begin with %q, or none after all went well", last(), want)
			}
		})
	}
}

// TestExitCodesAreDocumented: who reads a pod's last state looks them up there.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{0, exitFailed, exitCrash, exitSettings, exitRights, exitStore, exitLate, exitSignal + 2, exitSignal + 15} {
		if !strings.Contains(string(page), fmt.Sprintf("\n| %d |", code)) {
			t.Errorf("got no row of docs/operations.md for exit code %d", code)
		}
	}
}

// crashElsewhere panics in a goroutine that nothing of ours has started.
func crashElsewhere() {
	cfg := config.Config{Spool: config.Spool{Dir: os.Getenv("SPOOL")}}
	process.GuardCrashes(version, cfg, process.Logger(config.Process{LogFormat: "json"}, os.Stderr))
	done := make(chan struct{})
	time.AfterFunc(0, func() { panic("last words") })
	<-done
}

// TestCrash: a panic anywhere ends the process with 2, and the next start tells of it, once.
func TestCrash(t *testing.T) {
	spool := filepath.Join(t.TempDir(), "spool")
	cmd, said := act(t, "crash", []string{"SPOOL=" + spool})
	if got := exited(t, cmd.Run()); got != exitCrash || !strings.Contains(said.String(), "panic: last words") {
		t.Fatalf("got exit code %d and\n%swant %d and the panic", got, said, exitCrash)
	}
	cfg := config.Config{Spool: config.Spool{Dir: spool}}
	start := func() (string, func()) {
		var text bytes.Buffer
		forget := process.GuardCrashes(version, cfg, slog.New(slog.NewTextHandler(&text, nil)))
		return text.String(), forget
	}
	first, _ := start()
	for _, part := range []string{"please report it", "epilogue dev, go1.", "panic: last words", "goroutine"} {
		if !strings.Contains(first, part) {
			t.Errorf("got %q, want %q in it", first, part)
		}
	}
	second, forget := start()
	if second != "" {
		t.Errorf("got %q at the start after it, want nothing: it was told", second)
	}
	forget()
	if _, err := os.Stat(spool + ".crash"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want no file after an orderly end", err)
	}
}
