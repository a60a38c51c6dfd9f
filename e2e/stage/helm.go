package stage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Upgrade has helm install the chart with the values, or change what is installed, and waits until it is ready.
func (s *Stage) Upgrade(ctx context.Context, values ...string) error {
	repository, tag, ok := strings.Cut(s.Image, ":")
	if !ok {
		return fmt.Errorf("EPILOGUE_E2E_IMAGE is %q, want name:tag", s.Image)
	}
	if s.Helm == "" {
		return errors.New("EPILOGUE_E2E_HELM not set: make e2e sets it")
	}
	args := []string{
		"upgrade", "--install", Release, filepath.Join(s.root, "deploy/chart/epilogue"), "-n", s.Namespace, "--wait", "--timeout", "110s",
		"--set", "image.repository=" + repository, "--set-string", "image.tag=" + tag, "--set", "image.pullPolicy=Never",
		"--set", fmt.Sprintf("archive=s3://%s/%s", Bucket, Prefix), "--set", "namespace=" + s.Jobs,
		"--set", "s3.endpoint=http://s3:7070", "--set", "s3.existingSecret.name=s3-keys",
	}
	if s.file != "" {
		args = append(args, "-f", s.file)
	}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	_, err := s.run(ctx, "", s.Helm, args...)
	return err
}

// Apply is Upgrade with another values file than the one that the Stage was opened with.
func (s *Stage) Apply(ctx context.Context, file string, values ...string) error {
	s.file = file
	return s.Upgrade(ctx, values...)
}

// Uninstall has helm remove the release, as a user would.
func (s *Stage) Uninstall(ctx context.Context) error {
	_, err := s.run(ctx, "", s.Helm, "uninstall", Release, "-n", s.Namespace, "--wait", "--timeout", "180s")
	return err
}

// InJobs runs kubectl in the namespace of the Jobs. What it prints on either output is in the text or in the error.
func (s *Stage) InJobs(ctx context.Context, args ...string) (string, error) {
	return s.kubectl(ctx, "", append([]string{"-n", s.Jobs}, args...)...)
}

// Exec runs a program in the daemon's container, and returns what it prints.
func (s *Stage) Exec(ctx context.Context, command ...string) (string, error) {
	return s.kubectl(ctx, "", append([]string{"-n", s.Namespace, "exec", "deployment/" + Release, "--"}, command...)...)
}
