//go:build e2e

package deploy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// osv is a vulnerability that nobody has found, in a package that the daemon has.
const osv = `{"schema_version": "1.3.1", "id": "GO-2026-9999", "modified": "2026-01-01T00:00:00Z", "summary": "Made up", "details": "Made up.",
 "affected": [{"package": {"name": "github.com/klauspost/compress", "ecosystem": "Go"},
  "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
  "ecosystem_specific": {"imports": [{"path": "github.com/klauspost/compress/zstd"}]}}],
 "database_specific": {"url": "https://pkg.go.dev/vuln/GO-2026-9999"}}`

// Whoever looks for vulnerabilities and could not is told so, and never that there are none.
func TestVulnerabilitiesAreLookedFor(t *testing.T) {
	empty, full, other := t.TempDir(), t.TempDir(), t.TempDir()
	for folder, entry := range map[string]string{full: osv, other: strings.ReplaceAll(osv, "klauspost", "nobody")} {
		if err := os.WriteFile(filepath.Join(folder, "GO-2026-9999.json"), []byte(entry), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const unreachable = "https://127.0.0.1:1"
	for name, c := range map[string]struct {
		database string
		args     []string
		code     int
		want     string
	}{
		"unreachable":                  {unreachable, nil, 1, "NOT looked for: " + unreachable + " cannot be reached"},
		"unreachable, which is told":   {unreachable, []string{"--if-reachable"}, 0, "NOT looked for: " + unreachable + " cannot be reached"},
		"empty":                        {"file://" + empty, nil, 1, "has no file"},
		"no address":                   {"vuln.go.dev", []string{"--if-reachable"}, 2, `EPILOGUE_VULN_DB is "vuln.go.dev", want https://`},
		"found":                        {"file://" + full, []string{"-scan", "package", "./cmd/daemon"}, 3, "GO-2026-9999"},
		"found where it is only asked": {"file://" + full, []string{"--if-reachable", "-scan", "package", "./cmd/daemon"}, 3, "GO-2026-9999"},
		"none":                         {"file://" + other, []string{"-scan", "package", "./cmd/daemon"}, 0, "No vulnerabilities found"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "../release/vuln.sh", c.args...)
			cmd.Env = append(os.Environ(), "EPILOGUE_VULN_DB="+c.database, "HTTPS_PROXY=", "https_proxy=")
			said, err := cmd.CombinedOutput()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != c.code || !strings.Contains(string(said), c.want) {
				t.Errorf("got code %d and %q, want %d and %q in it", code, said, c.code, c.want)
			}
		})
	}
}
