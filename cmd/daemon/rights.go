package main

import (
	"context"
	"fmt"
	"log/slog"

	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/config"
	"github.com/epilogue-dev/epilogue/rights"
)

// checkRights names every right that is missing, at once. Without one of the vital ones the daemon could only seem to
// work, so that is the end of it; without others it keeps logs all the same, and says what it cannot do. An API server
// that does not answer is no reason to end: the informers wait for it, too.
func checkRights(ctx context.Context, cfg config.Config, client kubernetes.Interface, log *slog.Logger) error {
	missing, err := rights.Missing(ctx, client, rights.Of(cfg)...)
	switch {
	case err != nil:
		log.Warn("own rights are not known", "err", err)
		return nil
	case rights.Vital(missing):
		return fmt.Errorf("%w: %s; want the Roles of the chart (rbac.create=true), or others that give the same", errRights, rights.Text(missing))
	case len(missing) > 0:
		log.Error("rights are missing", "count", len(missing), "missing", rights.Text(missing))
	}
	return nil
}
