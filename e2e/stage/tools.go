package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools are the programs and images of a run. Paths and names come from the environment, as the Makefile sets it.
type Tools struct {
	Kubeconfig, Kubectl         string // paths
	Helm                        string // path; "" for the demo, which applies what helm rendered
	Image, S3Image, SampleImage string // names with tags, loaded into the cluster
	BuilderImage, RegistryImage string // the same; "" for the demo, which builds nothing
	root                        string // of this repository
}

// FromEnvironment reads the Makefile's variables.
func FromEnvironment() (Tools, error) {
	var t Tools
	var missing []string
	for _, v := range []struct {
		name string
		at   *string
	}{
		{"KUBECONFIG", &t.Kubeconfig}, {"EPILOGUE_E2E_KUBECTL", &t.Kubectl},
		{"EPILOGUE_E2E_IMAGE", &t.Image}, {"EPILOGUE_E2E_S3_IMAGE", &t.S3Image}, {"EPILOGUE_E2E_SAMPLE_IMAGE", &t.SampleImage},
	} {
		if *v.at = os.Getenv(v.name); *v.at == "" {
			missing = append(missing, v.name)
		}
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("%s not set: make e2e and make demo set what they need", strings.Join(missing, ", "))
	}
	t.Helm = os.Getenv("EPILOGUE_E2E_HELM")
	t.BuilderImage, t.RegistryImage = os.Getenv("EPILOGUE_E2E_BUILDER_IMAGE"), os.Getenv("EPILOGUE_E2E_REGISTRY_IMAGE")
	var err error
	t.root, err = root()
	return t, err
}

// root finds the repository: the folder of go.mod at or above the working directory.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod at or above the working directory: run this inside the repository")
}

func (t Tools) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return t.run(ctx, stdin, t.Kubectl, args...)
}

// run returns a program's output; an error holds what it said.
func (t Tools) run(ctx context.Context, stdin, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+t.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err,
			strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}
