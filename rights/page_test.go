package rights

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/golden"
)

// TestPage generates the table of docs/security.md.
func TestPage(t *testing.T) {
	const path, begin, end = "../docs/security.md", "go test ./rights -update -->\n", "<!-- /rights -->"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	golden.Compare(t, path, []byte(head+begin+table()+end+tail))
}

func table() string {
	out := &strings.Builder{}
	out.WriteString("\n| where | right | what for | when |\n|---|---|---|---|\n")
	for _, group := range []struct {
		where, when string
		rights      []Right
	}{
		{"the Jobs' namespace", "always", Watching},
		{"the Jobs' namespace", "unless `gate.mode=never` and without cleanup, or `dryRun`", Holding},
		{"the Jobs' namespace", "unless `gate.mode=never` and without cleanup, or `dryRun`", Ending("of that name")},
		{"the Jobs' namespace", "with cleanup", Deleting},
		{"its own namespace", "always", Sharing},
		{"its own namespace", "with `replica-account`, which the chart sets", Knowing},
		{"namespace `kube-system`", "unless `rbac.identity=false`", Identifying},
		{"the cluster", "with the API, or `metrics-auth: kubernetes`", Serving},
		{"the Jobs' namespace", "with the launcher", launching},
		{"the Jobs' namespace", "with `launcher.registrySecret`", registryLogin("of that name")},
	} {
		for _, r := range group.rights {
			fmt.Fprintf(out, "| %s | `%s` | %s | %s |\n", group.where, r, r.For, group.when)
		}
	}
	return out.String() + "\n"
}
