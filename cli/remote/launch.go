package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/epilogue-dev/epilogue/serve/wire"
)

// Start launches a runner.
func (c *Client) Start(ctx context.Context, namespace, workload string, r *wire.Run) (*wire.Accepted, error) {
	return c.post(ctx, namespaced(namespace, "workloads", workload, "runs"), r)
}

// Build launches a builder.
func (c *Client) Build(ctx context.Context, namespace, workload string, b *wire.Build) (*wire.Accepted, error) {
	return c.post(ctx, namespaced(namespace, "workloads", workload, "builds"), b)
}

// Cancel ends the Jobs of a workload gently: their logs are kept.
func (c *Client) Cancel(ctx context.Context, namespace, workload, reason string) error {
	_, err := c.post(ctx, namespaced(namespace, "workloads", workload, "cancel"), wire.Cancel{Reason: reason})
	return err
}

// post sends a request that may be sent twice.
func (c *Client) post(ctx context.Context, to string, request any) (*wire.Accepted, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var answer wire.Accepted
	err = c.again(ctx, func() error {
		resp, err := c.send(ctx, http.MethodPost, to, nil, http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return &brokenError{fmt.Errorf("read the daemon's answer to %s: %w", to, err)}
		}
		return nil
	})
	return &answer, err
}

// Queue returns every Job that has not ended, oldest first; of a workload every one.
func (c *Client) Queue(ctx context.Context, namespace, workload string) ([]wire.Launched, error) {
	from := namespaced(namespace, "queue")
	if workload != "" {
		from = namespaced(namespace, "workloads", workload, "jobs")
	}
	var list wire.Queue
	_, err := c.document(ctx, from, nil, &list)
	return list.Jobs, err
}

// Await returns a Job of a workload when it has ended, and after that time at the latest.
func (c *Client) Await(ctx context.Context, namespace, workload, name string, most time.Duration) (*wire.Launched, error) {
	var now wire.Launched
	from := path.Join(namespaced(namespace, "workloads", workload, "jobs"), url.PathEscape(name))
	if _, err := c.document(ctx, from, url.Values{"wait": {most.String()}}, &now); err != nil {
		return nil, err
	}
	return &now, nil
}
