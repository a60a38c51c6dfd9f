package stage

import (
	"context"
	"errors"
	"fmt"
)

// PauseStore freezes the S3 server, so that it answers nobody, until ResumeStore. It keeps what it has.
func (s *Stage) PauseStore(ctx context.Context) error { return s.storeTask(ctx, "pause") }

// ResumeStore lets the S3 server go on.
func (s *Stage) ResumeStore(ctx context.Context) error { return s.storeTask(ctx, "resume") }

func (s *Stage) storeTask(ctx context.Context, verb string) error {
	pod, err := s.awaitPod(ctx, s.Namespace, "app.kubernetes.io/name=s3", Running)
	if err != nil {
		return err
	}
	id, ok := containerID(pod)
	if !ok {
		return errors.New("the S3 server's container does not run")
	}
	if _, err := s.run(ctx, "", "docker", "exec", pod.Spec.NodeName, "ctr", "-n", "k8s.io", "tasks", verb, id); err != nil {
		return fmt.Errorf("%s the S3 server: %w", verb, err)
	}
	return nil
}
