package wire

import "time"

// Run is a request to launch a runner Job. Its environment may hold credentials; it is sent, and nowhere shown.
type Run struct {
	Image       string            `json:"image,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Arguments   []string          `json:"arguments,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Sync        bool              `json:"sync,omitempty"` // answer when the Job has ended
	Timeout     int64             `json:"timeout_in_seconds,omitempty"`
	RequestID   string            `json:"request_id,omitempty"` // the same request sent twice makes one Job
}

// Build is a request to launch a builder Job.
type Build struct {
	Dockerfile string `json:"dockerfile"`
	ImageName  string `json:"image_name"`
	Sync       bool   `json:"sync,omitempty"`
	Timeout    int64  `json:"timeout_in_seconds,omitempty"`
	RequestID  string `json:"request_id,omitempty"`
}

// Cancel is a request to end the Jobs of a workload.
type Cancel struct {
	Reason string `json:"reason"`
}

// Accepted says which Job will run. Where the image to be built is there already, it has nothing but the image.
type Accepted struct {
	Name     string `json:"name,omitempty"`
	UID      string `json:"uid,omitempty"`
	Kind     string `json:"kind,omitempty"`
	Workload string `json:"workload_id,omitempty"`
	Image    string `json:"image"`
}

// Launched is what is known of a launched Job.
type Launched struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Workload string    `json:"workload_id"`
	Attempt  string    `json:"attempt"`
	State    string    `json:"state"`
	Position int       `json:"position,omitempty"` // in the queue, from 1
	Reason   string    `json:"reason,omitempty"`   // why it has failed or was cancelled
	Image    string    `json:"image,omitempty"`
	Created  time.Time `json:"created"`
}

// Over reports whether the Job has ended.
func (l *Launched) Over() bool { return l.State == Succeeded || l.Lost() }

// Lost reports whether it has ended without success.
func (l *Launched) Lost() bool { return l.State == Failed || l.State == Cancelled }

// Queue is a list of launched Jobs.
type Queue struct {
	Jobs []Launched `json:"jobs"`
}
