package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"time"
)

// Run is a request to launch a runner Job. Its environment may hold credentials; it is sent, and nowhere shown.
type Run struct {
	Image       string            `json:"image,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Arguments   []string          `json:"arguments,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Timeout     int64             `json:"timeout_in_seconds,omitempty"`
	RequestID   string            `json:"request_id,omitempty"` // the same request sent twice makes one Job
}

// Build is a request to launch a builder Job.
type Build struct {
	Dockerfile string `json:"dockerfile"`
	ImageName  string `json:"image_name"`
	Timeout    int64  `json:"timeout_in_seconds,omitempty"`
	RequestID  string `json:"request_id,omitempty"`
}

// Launched is a Job that the daemon has launched.
type Launched struct {
	Name     string    `json:"name"` // "" where the image to be built is there already
	Kind     string    `json:"kind"`
	Workload string    `json:"workload_id"`
	Attempt  string    `json:"attempt,omitempty"`
	State    string    `json:"state"`
	Position int       `json:"position,omitempty"` // in the queue, from 1
	Reason   string    `json:"reason,omitempty"`
	Image    string    `json:"image,omitempty"`
	Created  time.Time `json:"created,omitzero"`
}

// Over says whether the Job has ended.
func (l *Launched) Over() bool { return l.State == "succeeded" || l.Lost() }

// Lost says whether it has ended without success.
func (l *Launched) Lost() bool { return l.State == "failed" || l.State == "cancelled" }

// Start launches a runner.
func (c *Client) Start(ctx context.Context, namespace, workload string, r *Run) (*Launched, error) {
	return c.post(ctx, namespaced(namespace, "workloads", workload, "runs"), r)
}

// Build launches a builder.
func (c *Client) Build(ctx context.Context, namespace, workload string, b *Build) (*Launched, error) {
	return c.post(ctx, namespaced(namespace, "workloads", workload, "builds"), b)
}

// Cancel ends the Jobs of a workload gently: their logs are kept.
func (c *Client) Cancel(ctx context.Context, namespace, workload, reason string) error {
	_, err := c.post(ctx, namespaced(namespace, "workloads", workload, "cancel"), map[string]string{"reason": reason})
	return err
}

// post sends a request that may be sent twice.
func (c *Client) post(ctx context.Context, to string, request any) (*Launched, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var answer Launched
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

// Queue gives every Job that has not ended, oldest first; of a workload every one.
func (c *Client) Queue(ctx context.Context, namespace, workload string) ([]Launched, error) {
	from := namespaced(namespace, "queue")
	if workload != "" {
		from = namespaced(namespace, "workloads", workload, "jobs")
	}
	var list struct {
		Jobs []Launched `json:"jobs"`
	}
	_, err := c.document(ctx, from, nil, &list)
	return list.Jobs, err
}

// Await gives a Job when it has ended, and after that time at the latest.
func (c *Client) Await(ctx context.Context, namespace string, job *Launched, most time.Duration) (*Launched, error) {
	var now Launched
	from := path.Join(namespaced(namespace, "workloads", job.Workload, "jobs"), url.PathEscape(job.Name))
	if _, err := c.document(ctx, from, url.Values{"wait": {most.String()}}, &now); err != nil {
		return nil, err
	}
	return &now, nil
}
