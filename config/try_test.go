package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestLoadTry(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("EPILOGUE_NAMESPACE", "of-a-daemon") // and of no trial
	for _, tt := range []struct {
		name      string
		args      []string
		namespace string
		dir       string
		faults    []string // parts of the error
	}{
		{name: "nothing", dir: filepath.Join(here, "epilogue-archive")},
		{name: "a path", args: []string{"--archive", "x/../kept"}, dir: filepath.Join(here, "kept")},
		{name: "an absolute path", args: []string{"--archive", "/tmp/kept"}, dir: "/tmp/kept"},
		{name: "a URL", args: []string{"--archive", "file:///tmp/kept"}, dir: "/tmp/kept"},
		{name: "kubectl's short flag", args: []string{"-n", "jobs"}, namespace: "jobs", dir: filepath.Join(here, "epilogue-archive")},
		{name: "a bucket", args: []string{"--archive", "s3://logs"}, faults: []string{`--archive: value "s3://logs": want a folder, such as ./epilogue-archive`}},
		{name: "no folder", args: []string{"--archive="}, faults: []string{`--archive: value "": want a folder`}},
		{
			name: "all at once", args: []string{"-n", "A b", "--selector", "((", "--archive", "gs://x"},
			faults: []string{`--namespace: value "A b": want the name of one namespace`, `--selector: value "((":`, `--archive: value "gs://x":`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := pflag.NewFlagSet("try", pflag.ContinueOnError)
			source := BindTry(fs)
			if err := fs.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			cfg, err := source.LoadTry()
			for _, part := range tt.faults {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want an error with %q", err, part)
				}
			}
			if tt.faults != nil {
				return
			}
			if err != nil || cfg.Archive.Dir != tt.dir || cfg.Kubernetes.Namespace != tt.namespace {
				t.Errorf("got %q, %q, %v, want %q, %q", cfg.Archive.Dir, cfg.Kubernetes.Namespace, err, tt.dir, tt.namespace)
			}
			if !cfg.Cleanup.ArchivesOnly() || cfg.Cleanup.Acts() || cfg.Launch.Enabled || cfg.Serve.Listen != "" || cfg.Replica.LeaseDuration != 0 {
				t.Errorf("got settings that act: %+v", cfg)
			}
			if cfg.Follow.MaxStreams == 0 || cfg.Spool.Limit == 0 || cfg.Seal.Concurrency == 0 {
				t.Errorf("got settings without the daemon's defaults: %+v", cfg)
			}
		})
	}
}
