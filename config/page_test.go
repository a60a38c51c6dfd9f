package config

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/epilogue-dev/epilogue/golden"
)

func TestPrint(t *testing.T) {
	c, err := load(t, input{
		args: []string{"--config=testdata/print.yaml", "--log-level=debug", "--s3-endpoint=http://127.0.0.1:7070"},
		env:  with(awsExample(), zenml+"NODE_SELECTOR", "{\n  \"node-pool\": \"zenml-pool\"\n}", "EPILOGUE_SPOOL_LIMIT", "2Gi"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/print.txt", out.Bytes())
}

func TestConfigurationPage(t *testing.T) {
	golden.Compare(t, "../docs/configuration.md", page())
}

const pageHead = `# Configuration

<!-- Generated from the table in config. Do not edit: go test ./config -run TestConfigurationPage -update -->

Every setting can be given in four places. The stronger one wins: **flag**, then **environment**, then **file**, then
**default**. The file is YAML with the flags' names as keys; ` + "`--config`" + ` names it. ` + "`epilogue config`" + ` prints the effective
value of every setting and where it came from.

- Where a setting has several variables, the first one listed wins, so ` + "`EPILOGUE_*`" + ` beats ZenML's own name.
- A variable that is set but empty counts as not set.
- A wrong value ends the start with one line for each, naming the setting, the value and what would be right. Unknown
  keys of the file are wrong, too.
- Durations are written with their unit, such as ` + "`500ms`" + `, ` + "`30s`" + ` or ` + "`2h`" + `; bytes as in Kubernetes, such as ` + "`512Mi`" + `.
- In the file, JSON settings may be written as YAML.
- Credentials of the store are no settings. They come from the AWS chain: ` + "`AWS_*`" + ` variables, IRSA, Pod Identity,
  profiles.

## Beside ZenML

ZenML's variables work as they are. They are checked at every start, but what only launching needs (the service account,
the registry, its region) is required only where Epilogue launches Jobs itself; beside ZenML's own workload manager it
only observes. ` + "`ZENML_KUBERNETES_WORKLOAD_MANAGER_ENABLE_EXTERNAL_LOGS`" + ` tells ZenML whether to keep its own copy of
logs. Epilogue archives either way, and needs ` + "`archive`" + `; ZenML's bucket is another name for it, the weakest of the
variables.
`

// page returns docs/configuration.md.
func page() []byte {
	out := bytes.NewBufferString(pageHead)
	group := ""
	for _, s := range settings() {
		if s.group != group {
			group = s.group
			fmt.Fprintf(out, "\n## %s\n\n| flag, key | environment | type | default | what it does |\n|---|---|---|---|---|\n", group)
		}
		def := ""
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		kind := strings.ReplaceAll(s.kind, "|", ", ")
		help := strings.ReplaceAll(s.help, "|", `\|`)
		fmt.Fprintf(out, "| `%s` | `%s` | %s | %s | %s |\n", s.name, strings.Join(s.env(), "`<br>`"), kind, def, help)
	}
	return out.Bytes()
}
