package config

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestLoadArchive(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		env   map[string]string
		want  string // the archive
		style bool
		fault string // part of the error
	}{
		{name: "none", want: "s3://"},
		{name: "flag", args: []string{"--archive=s3://logs/zenml"}, want: "s3://logs/zenml"},
		{name: "environment", env: map[string]string{"EPILOGUE_ARCHIVE": "file:///var/logs"}, want: "file:///var/logs"},
		{name: "ZenML's bucket", env: map[string]string{"ZENML_AWS_KUBERNETES_WORKLOAD_MANAGER_BUCKET": "s3://b-ucket/x"}, want: "s3://b-ucket/x"},
		{
			name: "flag beats environment", args: []string{"--archive=s3://logs", "--s3-endpoint=http://127.0.0.1:1"},
			env: map[string]string{"EPILOGUE_ARCHIVE": "file:///var/logs"}, want: "s3://logs", style: true,
		},
		{name: "bare bucket", args: []string{"--archive=logs"}, fault: "s3://logs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
			source := BindArchive(fs)
			if err := fs.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			place, s3, err := source.LoadArchive(func(name string) (string, bool) {
				text, ok := tt.env[name]
				return text, ok
			})
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %v, want an error with %q", err, tt.fault)
				}
				return
			}
			if got := place.String(); err != nil || got != tt.want || s3.PathStyle != tt.style {
				t.Errorf("got %s, path style %t, %v; want %s, %t", got, s3.PathStyle, err, tt.want, tt.style)
			}
		})
	}
}
