//go:build release

package deploy

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// dist is what release/check.sh makes: the assets of a release, beside what goreleaser keeps for itself.
const dist = "../dist"

// released are the archives by name, each with the program in it.
var released = map[string]string{
	"epilogue_linux_amd64.tar.gz": "epilogue", "epilogue_linux_arm64.tar.gz": "epilogue",
	"kubectl-epilogue_linux_amd64.tar.gz": "kubectl-epilogue", "kubectl-epilogue_linux_arm64.tar.gz": "kubectl-epilogue",
	"kubectl-epilogue_darwin_amd64.tar.gz": "kubectl-epilogue", "kubectl-epilogue_darwin_arm64.tar.gz": "kubectl-epilogue",
}

// unpack returns what an archive holds by name, and writes its program to a file.
func unpack(t *testing.T, archive, program string) (headers map[string]*tar.Header, at string) {
	t.Helper()
	file, err := os.Open(filepath.Join(dist, archive))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	headers, at = map[string]*tar.Header{}, filepath.Join(t.TempDir(), program)
	for all := tar.NewReader(unzipped); ; {
		header, err := all.Next()
		if errors.Is(err, io.EOF) {
			return headers, at
		}
		if err != nil {
			t.Fatal(err)
		}
		headers[header.Name] = header
		if header.Name == program {
			text, err := io.ReadAll(all)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, text, 0o755); err != nil { //nolint:gosec // a program to run
				t.Fatal(err)
			}
		}
	}
}

// git returns what it says of the last commit in a format.
func git(t *testing.T, format string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "log", "-1", "--format="+format).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestReleasedArchives: each has its program, the licence and a page to begin with, of one owner and time wherever it
// was made; the program is for the platform that the name says, and knows its commit.
func TestReleasedArchives(t *testing.T) {
	commit, when := git(t, "%H"), git(t, "%ct")
	for archive, program := range released {
		t.Run(archive, func(t *testing.T) {
			headers, at := unpack(t, archive, program)
			want := []string{"LICENSE", "README.md", program}
			if program == "kubectl-epilogue" {
				want = append(want, "kubectl_complete-epilogue")
			}
			slices.Sort(want)
			if got := slices.Sorted(maps.Keys(headers)); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			for name, h := range headers {
				if h.Uname != "root" || h.Gname != "root" || strconv.FormatInt(h.ModTime.Unix(), 10) != when {
					t.Errorf("%s: got owner %s:%s and time %s, want root:root and the commit's", name, h.Uname, h.Gname, h.ModTime)
				}
			}
			if headers[program].Mode&0o111 != 0o111 {
				t.Errorf("got mode %o, want a program", headers[program].Mode)
			}
			checkPlatform(t, archive, at, commit)
		})
	}
}

func checkPlatform(t *testing.T, archive, program, commit string) {
	t.Helper()
	about, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range about.Settings {
		settings[s.Key] = s.Value
	}
	if platform := "_" + settings["GOOS"] + "_" + settings["GOARCH"] + "."; !strings.Contains(archive, platform) {
		t.Errorf("got a program for %s, want that of the name", platform)
	}
	if settings["vcs.revision"] != commit || settings["vcs.modified"] != "false" || settings["CGO_ENABLED"] != "0" {
		t.Errorf("got commit %s, modified %s and CGO_ENABLED=%s, want %s, false and 0", settings["vcs.revision"], settings["vcs.modified"], settings["CGO_ENABLED"], commit)
	}
	if settings["GOOS"] != runtime.GOOS || settings["GOARCH"] != runtime.GOARCH {
		return
	}
	out, err := exec.CommandContext(t.Context(), program, "version").Output()
	if want := regexp.MustCompile(`^(kubectl-)?epilogue v\S+ \(commit ` + commit[:12] + `, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, go1\.\S+, ` + runtime.GOOS + "/" + runtime.GOARCH + `\)\n$`); err != nil || !want.Match(out) {
		t.Errorf("got %q and error %v, want a match of %s", out, err, want)
	}
}

// sums returns SHA256SUMS by name.
func sums(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("got the line %q, want a sum and a name", line)
		}
		found[name] = sum
	}
	return found
}

// TestReleasedSums: every asset has its sum, and nothing else has one.
func TestReleasedSums(t *testing.T) {
	var assets []string
	for name, sum := range sums(t) {
		assets = append(assets, name)
		text, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: got SHA-256 %x, want %s", name, got, sum)
		}
	}
	want := []string{"install.yaml", "epilogue-CHART.tgz"}
	for archive := range released {
		want = append(want, archive, strings.TrimSuffix(archive, ".tar.gz")+".cdx.json")
	}
	for i, name := range assets {
		if strings.HasSuffix(name, ".tgz") {
			assets[i] = "epilogue-CHART.tgz"
		}
	}
	slices.Sort(assets)
	slices.Sort(want)
	if !slices.Equal(assets, want) {
		t.Errorf("got sums of %q, want of %q", assets, want)
	}
}

// TestKrewManifest: krew installs on each platform what the sums say of that platform's archive.
func TestKrewManifest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(dist, "krew", "epilogue.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var plugin struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
		Spec             struct {
			Version   string
			Platforms []struct {
				Bin, URI, SHA256 string
				Selector         struct{ MatchLabels struct{ OS, Arch string } }
			}
		}
	}
	if err := yaml.Unmarshal(text, &plugin); err != nil {
		t.Fatal(err)
	}
	if plugin.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || plugin.Kind != "Plugin" || plugin.Metadata.Name != "epilogue" || !strings.HasPrefix(plugin.Spec.Version, "v") {
		t.Errorf("got %s %s %q of version %s, want krew's epilogue with a v", plugin.APIVersion, plugin.Kind, plugin.Metadata.Name, plugin.Spec.Version)
	}
	recorded, platforms := sums(t), map[string]bool{}
	for _, p := range plugin.Spec.Platforms {
		archive := "kubectl-epilogue_" + p.Selector.MatchLabels.OS + "_" + p.Selector.MatchLabels.Arch + ".tar.gz"
		platforms[archive] = true
		if path.Base(p.URI) != archive || p.SHA256 != recorded[archive] || p.Bin != released[archive] {
			t.Errorf("got %s of %s with %s, want %s of %s with %s", p.Bin, p.URI, p.SHA256, released[archive], archive, recorded[archive])
		}
	}
	if len(platforms) != 4 {
		t.Errorf("got platforms %v, want four", platforms)
	}
}

// TestBillsOfMaterials: each names just the modules that its program is linked from.
func TestBillsOfMaterials(t *testing.T) {
	for archive, program := range released {
		t.Run(archive, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dist, strings.TrimSuffix(archive, ".tar.gz")+".cdx.json"))
			if err != nil {
				t.Fatal(err)
			}
			var bill struct {
				BomFormat  string
				Components []struct{ Name, Version string }
			}
			if err := json.Unmarshal(text, &bill); err != nil {
				t.Fatal(err)
			}
			_, at := unpack(t, archive, program)
			about, err := buildinfo.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, c := range bill.Components {
				got = append(got, c.Name+"@"+c.Version)
			}
			for _, m := range about.Deps {
				want = append(want, m.Path+"@"+m.Version)
			}
			slices.Sort(got)
			slices.Sort(want)
			if bill.BomFormat != "CycloneDX" || len(want) < 50 || !slices.Equal(got, want) {
				t.Errorf("got %s of %d modules %q, want CycloneDX of the %d %q", bill.BomFormat, len(got), got, len(want), want)
			}
		})
	}
}

// TestReleasedChart: chart and install.yaml name the version that the chart's file does.
func TestReleasedChart(t *testing.T) {
	charts, err := fs.Glob(os.DirFS(dist), "epilogue-*.tgz")
	if err != nil || len(charts) != 1 {
		t.Fatalf("got charts %q and error %v, want one", charts, err)
	}
	version := strings.TrimSuffix(strings.TrimPrefix(charts[0], "epilogue-"), ".tgz")
	text, err := os.ReadFile(filepath.Join(dist, "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "image: \"ghcr.io/epilogue-dev/epilogue:v" + version + "\""; !strings.Contains(string(text), want) {
		t.Errorf("install.yaml: got none of %q, want that image", want)
	}
}
