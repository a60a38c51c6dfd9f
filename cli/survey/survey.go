// Package survey looks at what stands in a namespace, for who has to choose what Epilogue watches: which labels,
// service accounts, arguments and owners its Jobs and pods carry, and which of them tell ZenML's Jobs from others.
//
// It promises that nothing of a pod's environment leaves it, and of arguments only their names and what kind of value
// stands behind them: both hold credentials. It keeps nothing and changes nothing.
package survey

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/epilogue-dev/epilogue/pages"
)

// Survey is what stands in a namespace.
type Survey struct {
	Namespace  string
	Jobs, Pods int
	ZenML      int     // Jobs whose pods have the arguments of a ZenML runner
	Labels     []Label // in the order of their keys
	Accounts   []Count // service accounts, of pods
	JobOwners  []Count
	PodOwners  []Count
	Arguments  []Argument // in the order of their names
	Selection  []Selection
	Workload   []WorkloadLabel
}

// Label is one label key.
type Label struct {
	Key        string
	Jobs, Pods int
	Values     int    // different ones
	Example    string // one of them
}

// Count says how many carry something.
type Count struct {
	Name string
	Of   int
}

// Argument is one named argument of containers.
type Argument struct {
	Name string
	Pods int
	Kind string // of its values: <uuid>, the name of a class, <value>, or "" where there is none
}

// Selection says what a selector matches.
type Selection struct {
	Selector string
	Given    bool // somebody asked for it; else it is one that would fit
	Jobs     int  // how many Jobs it matches
	ZenML    int  // of these with the arguments of a ZenML runner
}

// WorkloadLabel is a label key whose values are ids.
type WorkloadLabel struct {
	Key   string
	Jobs  int    // how many Jobs have an id under it
	Given bool   // the daemon's setting names it
	Same  string // the argument with the same id, "" where there is none
}

// Options say what is asked.
type Options struct {
	Selector       labels.Selector // of the daemon's setting; nil: every Job
	WorkloadLabels []string        // of the daemon's setting
}

// Look lists the Jobs and pods of a namespace and says what they carry.
func Look(ctx context.Context, client kubernetes.Interface, namespace string, o Options) (*Survey, error) {
	c := &collection{jobs: map[string]*jobSeen{}}
	for job, err := range pages.Jobs(ctx, client, namespace, metav1.ListOptions{}) {
		if err != nil {
			return nil, fmt.Errorf("list Jobs of %s: %w", namespace, err)
		}
		c.job(job)
	}
	for pod, err := range pages.Pods(ctx, client, namespace, metav1.ListOptions{}) {
		if err != nil {
			return nil, fmt.Errorf("list pods of %s: %w", namespace, err)
		}
		c.pod(pod)
	}
	s := c.survey(o)
	s.Namespace = namespace
	return s, nil
}

// collection is what was seen. It holds no pod and no Job.
type collection struct {
	jobs map[string]*jobSeen
	pods []podSeen
}

type jobSeen struct {
	labels map[string]string
	owner  string
	args   map[string]string // of its pods: name and value of arguments whose value is an id
	zenml  bool
}

type podSeen struct {
	labels         map[string]string
	owner, account string
	args           map[string]string // name and kind of value
}

func (c *collection) job(j *batchv1.Job) {
	c.jobs[string(j.UID)] = &jobSeen{labels: j.Labels, owner: owner(j.OwnerReferences), args: map[string]string{}}
}

func owner(refs []metav1.OwnerReference) string {
	for _, r := range refs {
		if r.Controller != nil && *r.Controller {
			return r.Kind
		}
	}
	return "<none>"
}

func (c *collection) pod(p *corev1.Pod) {
	seen := podSeen{labels: p.Labels, owner: owner(p.OwnerReferences), account: p.Spec.ServiceAccountName, args: map[string]string{}}
	var job *jobSeen
	for _, r := range p.OwnerReferences {
		if c.jobs[string(r.UID)] != nil {
			job = c.jobs[string(r.UID)]
		}
	}
	for _, container := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for name, value := range arguments(slices.Concat(container.Command, container.Args)) {
			kind := kindOf(value)
			seen.args[name] = kind
			if job == nil {
				continue
			}
			if kind == anID {
				job.args[name] = value
			}
			job.zenml = job.zenml || runnersOwn(name, kind)
		}
	}
	c.pods = append(c.pods, seen)
}

const (
	anID  = "<uuid>"
	other = "<value>"
)

var (
	argumentName = regexp.MustCompile(`^--?[A-Za-z][A-Za-z0-9_.-]{0,60}$`)
	uuid         = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	// className takes what can hardly be a credential: a dotted path whose last part is a word as classes have it.
	className = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*\.[A-Z][A-Za-z]*(Configuration|Entrypoint)$`)
)

// arguments returns named arguments and the values behind them.
func arguments(args []string) map[string]string {
	named := map[string]string{}
	for i, arg := range args {
		name, value, inside := strings.Cut(arg, "=")
		if !argumentName.MatchString(name) {
			continue
		}
		if !inside && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			value = args[i+1]
		}
		named[name] = value
	}
	return named
}

func kindOf(value string) string {
	switch {
	case value == "":
		return ""
	case uuid.MatchString(value):
		return anID
	case className.MatchString(value):
		return value
	default:
		return other
	}
}

// runnersOwn: ZenML's runners know by these arguments what to run.
func runnersOwn(name, kind string) bool {
	switch name {
	case "--run_id", "--snapshot_id", "--deployment_id", "--placeholder_run_id":
		return kind == anID
	default:
		return strings.HasSuffix(kind, "RunnerEntrypointConfiguration")
	}
}

func counts(of map[string]int) []Count {
	all := make([]Count, 0, len(of))
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, Count{name, of[name]})
	}
	return all
}
