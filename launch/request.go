package launch

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Run asks for a runner Job. Only the workload and the image are required.
type Run struct {
	Workload    string // a label's value; ZenML's are UUIDs
	Image       string
	Command     []string // nil: the image's entrypoint
	Arguments   []string
	Environment map[string]string
	Timeout     time.Duration // of each pod, from its start; whole seconds; 0: none
	RequestID   string        // tells a repeated request from a second one that looks alike; "": all alike are one
}

// Build asks for a builder Job.
type Build struct {
	Workload   string
	Dockerfile string
	ImageName  string // repository and tag, without the registry
	Timeout    time.Duration
	RequestID  string
}

// ErrInvalid marks a request that cannot be carried out as it is, whenever it is repeated.
var ErrInvalid = errors.New("invalid request")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// The API server refuses objects above 1.5 MiB, and a Secret or ConfigMap above 1 MiB.
const (
	mostContent = 900 << 10
	mostTimeout = 1 << 31
)

func (r Run) check() error {
	if err := checkCommon(r.Workload, r.RequestID, r.Timeout); err != nil {
		return err
	}
	if r.Image == "" || strings.ContainsAny(r.Image, " \t\r\n") {
		return invalid("image: value %q: want an image such as registry.example.com/zenml:0.93.0", r.Image)
	}
	if n := sizeOf(r.Command) + sizeOf(r.Arguments); n > mostContent {
		return invalid("arguments: %d bytes with the command, want at most %d", n, mostContent)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(r.Environment)) {
		// The value stays out of the error: errors are logged.
		if !variable.MatchString(name) {
			return invalid("environment: name %q: want letters, digits and _ that do not begin with a digit", name)
		}
		size += len(name) + len(r.Environment[name])
	}
	if size > mostContent {
		return invalid("environment: %d bytes, want at most %d", size, mostContent)
	}
	return nil
}

func (b Build) check() error {
	if err := checkCommon(b.Workload, b.RequestID, b.Timeout); err != nil {
		return err
	}
	if !repositoryTag.MatchString(b.ImageName) {
		return invalid("image_name: value %q: want a repository and a tag without registry, such as zenml-runner:0a1b2c", b.ImageName)
	}
	if b.Dockerfile == "" || len(b.Dockerfile) > mostContent {
		return invalid("dockerfile: %d bytes, want 1 to %d", len(b.Dockerfile), mostContent)
	}
	return nil
}

// variable is what a shell can set; Kubernetes passes over others without a word.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// repositoryTag is the grammar of github.com/distribution/reference, without a registry: nothing in it leads out of the
// repository that is configured.
var repositoryTag = regexp.MustCompile(`^` + component + `(?:/` + component + `)*(?::\w[\w.-]{0,127})?$`)

const component = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`

func checkCommon(workload, request string, timeout time.Duration) error {
	switch {
	case workload == "" || len(validation.IsValidLabelValue(workload)) > 0:
		return invalid("workload id: value %q: want up to 63 letters, digits, - _ and dots, such as a UUID", workload)
	case len(request) > 200:
		return invalid("request_id: %d bytes, want at most 200", len(request))
	case timeout < 0 || timeout%time.Second != 0 || timeout >= mostTimeout*time.Second:
		return invalid("timeout_in_seconds: value %s: want whole seconds from 0 on, 0 for none", timeout)
	}
	return nil
}

func sizeOf(words []string) int {
	n := 0
	for _, w := range words {
		n += len(w)
	}
	return n
}

func (r Run) identity() identity {
	return identity{
		Workload: r.Workload, Kind: Runner, RequestID: r.RequestID, Image: r.Image,
		Content: slices.Concat(r.Command, r.Arguments), Split: len(r.Command), Variables: slices.Sorted(maps.Keys(r.Environment)),
	}
}

func (b Build) identity() identity {
	return identity{Workload: b.Workload, Kind: Builder, RequestID: b.RequestID, Image: b.ImageName, Content: []string{b.Dockerfile}}
}
