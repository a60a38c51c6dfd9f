//go:build e2e

package deploy

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// build compiles the daemon as image.sh does, so that only the link is left to do, in the repository or a copy of it.
func build(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "epilogue")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=v9.8.7", "-o", path, "./cmd/daemon")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, said)
	}
	return path
}

// The program needs nothing of the image that it is in, tells nothing of the machine on which it was built, and is the
// same wherever that is. EPILOGUE_TEST_PROGRAMS names others to look at, which a release has made for each processor.
func TestProgram(t *testing.T) {
	path := build(t, "..")
	for _, path := range append(strings.Fields(os.Getenv("EPILOGUE_TEST_PROGRAMS")), path) {
		t.Run("static "+path, func(t *testing.T) {
			checkStatic(t, path)
			checkBuild(t, path)
		})
	}
	t.Run("elsewhere", func(t *testing.T) { checkElsewhere(t, path) })
	t.Run("image", func(t *testing.T) { checkImage(t, path) })
}

func checkStatic(t *testing.T, path string) {
	t.Helper()
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("got libraries %q and error %v, want none", libraries, err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("asks for a dynamic linker, want a static program")
		}
	}
	if program.Machine != elf.EM_X86_64 && program.Machine != elf.EM_AARCH64 {
		t.Errorf("got machine %s, want amd64 or arm64", program.Machine)
	}
}

func checkBuild(t *testing.T, path string) {
	t.Helper()
	about, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range about.Settings {
		settings[s.Key] = s.Value
	}
	if settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" {
		t.Errorf("got CGO_ENABLED=%s and -trimpath=%s, want 0 and true", settings["CGO_ENABLED"], settings["-trimpath"])
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range append(sources(t), filepath.Join(here, "cmd", "daemon")+"/") {
		if bytes.Contains(program, []byte(place)) {
			t.Errorf("%s is in the program, want no path of this machine", place)
		}
	}
}

// sources returns where go has its own source and that of others, long enough to be in a program for no other reason.
func sources(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	places := strings.Fields(string(out))
	return []string{filepath.Join(places[0], "src", "runtime") + "/", filepath.Join(places[1], "k8s.io") + "/"}
}

// checkElsewhere builds the same source at another place. `make reproduce` shares no compiler cache, either.
func checkElsewhere(t *testing.T, path string) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "another", "place")
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-co", "--exclude-standard", "-z")
	list.Dir = ".."
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(names), "\x00"), "\x00") {
		copyFile(t, filepath.Join("..", name), filepath.Join(elsewhere, name))
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(build(t, elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("got %d and %d bytes that differ, want the same", len(first), len(second))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if os.IsNotExist(err) { // removed and not committed yet
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	target, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
}

// checkImage makes the released image: that one file, run by nobody.
func checkImage(t *testing.T, path string) {
	t.Helper()
	folder := t.TempDir()
	const platform = "linux/" + runtime.GOARCH
	copyFile(t, path, filepath.Join(folder, platform, "epilogue"))
	if err := os.Chmod(filepath.Join(folder, platform, "epilogue"), 0o755); err != nil {
		t.Fatal(err)
	}
	docker := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // every engine has the old builder
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("docker %q: %v: %s", args, err, said.String())
		}
		return strings.TrimSpace(string(out))
	}
	const image = "epilogue-release:test"
	docker("build", "-q", "-t", image, "--build-arg", "TARGETPLATFORM="+platform, "-f", "../release/Dockerfile", folder)
	defer docker("image", "rm", "-f", image)
	if got, want := docker("image", "inspect", "-f", "{{.Config.User}} {{.Config.Entrypoint}} {{len .RootFS.Layers}}", image), "65532:65532 [/epilogue] 1"; got != want {
		t.Errorf("got user, entrypoint and layers %q, want %q", got, want)
	}
	said := docker("run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", image, "version")
	if want := regexp.MustCompile(`^epilogue v9\.8\.7 \(go1\.\S+, ` + platform + `\)$`); !want.MatchString(said) {
		t.Errorf("got %q, want a match of %s", said, want)
	}
}
