package config

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestLoadCluster(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		env   map[string]string
		wrong string
	}{
		{"nothing but the namespace", []string{"--namespace=jobs", "--dry-run"}, nil, ""},
		{"what does not matter may be wrong", []string{"--namespace=jobs", "--dry-run"},
			map[string]string{"EPILOGUE_ARCHIVE": "nonsense", "EPILOGUE_LAUNCHER": "true", "EPILOGUE_SPOOL_LIMIT": "-1"}, ""},
		{"no namespace", []string{"--dry-run"}, nil, "namespace: not set"},
		{"a wrong release", []string{"--namespace=jobs", "--dry-run", "--release=UPPER"}, nil, "--release"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
			source := Bind(fs)
			if err := fs.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			c, err := source.LoadCluster(func(name string) (string, bool) { v, ok := test.env[name]; return v, ok })
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got error %v, want one line with %q", err, test.wrong)
				}
				return
			}
			if err != nil || c.Kubernetes.Namespace != "jobs" || !c.Cleanup.DryRun || c.Replica.Release != "epilogue" {
				t.Errorf("got %+v, %+v, %v, want namespace jobs, a dry run, release epilogue", c.Kubernetes, c.Replica, err)
			}
		})
	}
}
