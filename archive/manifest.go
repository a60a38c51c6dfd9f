package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Verdict says how much of an instance's log is kept. It is never guessed: what could not be proven is seamed or
// partial.
type Verdict string

// The verdicts.
const (
	Complete Verdict = "complete" // every line, proven by a read after the end
	// every line that was served, proven so; the seams between files are unproven
	Seamed       Verdict = "seamed"
	Partial      Verdict = "partial"       // there are gaps; they are listed
	Empty        Verdict = "empty"         // it ran and wrote nothing, proven by a read after the end
	Lost         Verdict = "lost"          // it ran, and nothing of what it may have written could be had
	NeverStarted Verdict = "never-started" // it has not run; the reason says why
)

// Verdicts are all verdicts, for those who count them.
var Verdicts = []Verdict{Complete, Seamed, Partial, Empty, Lost, NeverStarted}

// Manifest is the document of one pod: what is kept of each instance, and what there was to know when it ended. It
// never holds the pod's environment, which carries credentials.
type Manifest struct {
	Version   string           `json:"version"`
	Cluster   string           `json:"cluster,omitempty"` // see Spool.BelongTo
	Pod       PodSummary       `json:"pod"`
	Job       *JobSummary      `json:"job,omitempty"`
	Workloads []string         `json:"workloads,omitempty"`
	Instances []InstanceRecord `json:"instances"`
	Events    []Event          `json:"events,omitempty"`
	Diagnosis string           `json:"diagnosis"`
	SealedAt  time.Time        `json:"sealedAt"`
	SealedBy  string           `json:"sealedBy,omitempty"`
}

// PodSummary is the post-mortem of a pod.
type PodSummary struct {
	PodRef
	Alone          string            `json:"alone,omitempty"` // why it is kept without the Job that it names
	Labels         map[string]string `json:"labels,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	Node           string            `json:"node,omitempty"`
	ServiceAccount string            `json:"serviceAccount,omitempty"`
	Phase          string            `json:"phase"`
	Reason         string            `json:"reason,omitempty"`
	Message        string            `json:"message,omitempty"`
	RestartPolicy  string            `json:"restartPolicy,omitempty"`
	CreatedAt      time.Time         `json:"createdAt,omitzero"`
	StartedAt      time.Time         `json:"startedAt,omitzero"`
	DeletedAt      time.Time         `json:"deletedAt,omitzero"` // when a deletion was asked for
	Conditions     []Condition       `json:"conditions,omitempty"`
	Containers     []ContainerSpec   `json:"containers,omitempty"`
}

// ContainerSpec is what of a container's specification is kept: no environment, no arguments.
type ContainerSpec struct {
	Name     string            `json:"name"`
	Kind     ContainerKind     `json:"kind"`
	Image    string            `json:"image"`
	Requests map[string]string `json:"requests,omitempty"`
	Limits   map[string]string `json:"limits,omitempty"`
}

// JobSummary is the post-mortem of a Job.
type JobSummary struct {
	Name         string            `json:"name"`
	UID          JobUID            `json:"uid"`
	Labels       map[string]string `json:"labels,omitempty"`
	CreatedAt    time.Time         `json:"createdAt,omitzero"`
	StartedAt    time.Time         `json:"startedAt,omitzero"`
	FinishedAt   time.Time         `json:"finishedAt,omitzero"`
	DeletedAt    time.Time         `json:"deletedAt,omitzero"` // when a deletion was asked for, or seen
	Succeeded    int32             `json:"succeeded"`
	Failed       int32             `json:"failed"`
	BackoffLimit *int32            `json:"backoffLimit,omitempty"`
	Conditions   []Condition       `json:"conditions,omitempty"`
}

// End returns how the Job ended, "Complete" or "Failed"; "" where it has not.
func (j *JobSummary) End() string {
	for _, c := range j.Conditions {
		if c.Status == "True" && (c.Type == "Complete" || c.Type == "Failed") {
			return c.Type
		}
	}
	return ""
}

// Condition is one condition of a pod or a Job.
type Condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Event is one Event of the pod or its Job.
type Event struct {
	Object  string    `json:"object"` // "pod" or "job"
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int32     `json:"count"`
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
}

// ContainerState is how an instance ended, or why it did not start.
type ContainerState struct {
	Image      string    `json:"image,omitempty"`
	ImageID    string    `json:"imageID,omitempty"` // with the digest
	ExitCode   *int32    `json:"exitCode,omitempty"`
	Signal     int32     `json:"signal,omitempty"`
	Reason     string    `json:"reason,omitempty"` // as Kubernetes gives it: OOMKilled, Error, ErrImagePull
	Message    string    `json:"message,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// InstanceRecord says what is kept of one instance.
type InstanceRecord struct {
	Instance
	Verdict Verdict        `json:"verdict"`
	Reason  string         `json:"reason,omitempty"` // of every verdict but complete and empty, in words
	State   ContainerState `json:"state"`
	Gaps    []Gap          `json:"gaps,omitempty"`
	// Seams is in how many places, at least, one file of the log ends and the next begins. What the runtime wrote to
	// the old file between its renaming and its reopening is served to nobody, and nothing in the API tells whether
	// that was anything.
	Seams int64      `json:"seams,omitempty"`
	Log   *LogRecord `json:"log,omitempty"` // nil where nothing is kept
}

// LogRecord says where a log object is and what its text is.
type LogRecord struct {
	Key    Key       `json:"key"`
	Size   int64     `json:"size"` // bytes stored
	Lines  int64     `json:"lines"`
	Bytes  int64     `json:"bytes"`  // of the text
	SHA256 string    `json:"sha256"` // of the text
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
	// Rotations is what Seams is called in records that were written before there was a verdict for it. It is read, and
	// 0 in what is read: see InstanceRecord.UnmarshalJSON.
	Rotations int64 `json:"rotations,omitempty"`
}

// Judge returns the verdict of a log that has ended: from what is held, the gaps and the seams, nothing else.
func Judge(s *Summary) (Verdict, string) {
	switch {
	case len(s.Gaps) > 0 && s.Lines > 0:
		return Partial, inWords(s.Gaps)
	case len(s.Gaps) > 0:
		return Lost, inWords(s.Gaps)
	case s.Rotations > 0:
		return Seamed, SeamsInWords(s.Rotations)
	case s.Lines > 0:
		return Complete, ""
	default:
		return Empty, ""
	}
}

// SeamsInWords returns what a verdict's reason says of n unproven seams.
func SeamsInWords(n int64) string {
	if n == 1 {
		return "1 seam between two files of the log is unproven"
	}
	return fmt.Sprintf("%d seams between files of the log are unproven", n)
}

// UnmarshalJSON reads a record of any age. An old one has its seams in its log, as rotations, and calls them complete.
func (r *InstanceRecord) UnmarshalJSON(text []byte) error {
	type plain InstanceRecord // without this method
	if err := json.Unmarshal(text, (*plain)(r)); err != nil {
		return err
	}
	if r.Log != nil && r.Log.Rotations > 0 {
		r.Seams, r.Log.Rotations = max(r.Seams, r.Log.Rotations), 0
	}
	if r.Seams > 0 && r.Verdict == Complete {
		r.Verdict, r.Reason = Seamed, SeamsInWords(r.Seams)
	}
	return nil
}

func inWords(gaps []Gap) string {
	g := gaps[0]
	text := string(g.Reason)
	if g.Detail != "" {
		text += ": " + g.Detail
	}
	if n := len(gaps); n > 1 {
		text += fmt.Sprintf(" (and %d more)", n-1)
	}
	return text
}

// MaxManifest and maxObjects bound what a reader allocates for a manifest.
const (
	MaxManifest = 16 << 20
	maxObjects  = 200_000
)

// ReadManifest decodes a manifest and refuses what it cannot be sure to understand.
func ReadManifest(r io.Reader) (*Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("manifest is larger than %d bytes: %w", MaxManifest, ErrDamaged)
	}
	// Each object in the text costs far more memory than its two bytes.
	if n := bytes.Count(b, []byte{'{'}); n > maxObjects {
		return nil, fmt.Errorf("manifest of %d objects: %w", n, ErrDamaged)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w: %w", err, ErrDamaged)
	}
	if m.Version != FormatVersion {
		return nil, fmt.Errorf("manifest of version %q, this program reads %q: %w", m.Version, FormatVersion, ErrDamaged)
	}
	return &m, nil
}

// Ref returns whose manifest it is.
func (m *Manifest) Ref() PodRef { return m.Pod.PodRef }

// Nanos returns t in ns since 1970, as frames and indexes have times; 0 for the zero time, which is no time there.
func Nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// TimeOf is the inverse of Nanos, in UTC: 0 is the zero time.
func TimeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Draft is what is known of a pod before it is sealed.
type Draft struct {
	Manifest
	// Silent says, by container ID, until when logs had no line: as of their reader, when that left them to another
	// one.
	Silent map[string]time.Time `json:"silent,omitempty"`
}

// UnknownPod returns the manifest of a pod of which nothing is known but what it is called.
func UnknownPod(ref PodRef) *Manifest {
	return &Manifest{Version: FormatVersion, Pod: PodSummary{PodRef: ref, Phase: "Unknown"}}
}

// Instance returns the record of an instance, nil where there is none.
func (m *Manifest) Instance(id LogID) *InstanceRecord {
	for i := range m.Instances {
		if m.Instances[i].ID() == id {
			return &m.Instances[i]
		}
	}
	return nil
}

// OfContainer returns the record of the instance that the runtime's container is, nil where there is none. Numbers tell
// less: two replicas may have given one to different instances.
func (m *Manifest) OfContainer(id string) *InstanceRecord {
	for i := range m.Instances {
		if m.Instances[i].ContainerID == id {
			return &m.Instances[i]
		}
	}
	return nil
}

// OwnInstances returns a copy whose list of instances may be changed.
func OwnInstances(m *Manifest) *Manifest {
	c := *m
	c.Instances = slices.Clone(m.Instances)
	return &c
}

// Compare returns an error that names where an object is not the one that the record is of.
func (want *LogRecord) Compare(got *LogRecord) error {
	for _, part := range []struct {
		what      string
		got, want any
	}{
		{"bytes in the store", got.Size, want.Size}, {"lines", got.Lines, want.Lines}, {"bytes of text", got.Bytes, want.Bytes},
		{"SHA-256 of the text", got.SHA256, want.SHA256},
	} {
		if part.got != part.want {
			return fmt.Errorf("%s: %v, its manifest says %v: %w", part.what, part.got, part.want, ErrDamaged)
		}
	}
	return nil
}
