package try

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/epilogue-dev/epilogue/rights"
)

// What Reach finds wrong with a cluster that answers.
var (
	ErrRights    = errors.New("missing rights")
	ErrNamespace = errors.New("no such namespace")
)

// Wanted is what a user says of the cluster. Empty fields are what kubectl would take.
type Wanted struct {
	Kubeconfig, Context, Namespace string
}

// Place is the namespace of a cluster that is tried on.
type Place struct {
	Config    *rest.Config
	Namespace string
	From      string // who named the namespace
}

// Find reads the kubeconfig, by kubectl's rules.
func Find(w Wanted) (Place, error) {
	if w.Kubeconfig != "" {
		if _, err := os.Stat(w.Kubeconfig); err != nil {
			return Place{}, fmt.Errorf("--kubeconfig: value %q: want a file that can be read: %w", w.Kubeconfig, err)
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = w.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: w.Context})
	if raw, err := loader.RawConfig(); err == nil && w.Context != "" && raw.Contexts[w.Context] == nil {
		return Place{}, fmt.Errorf("--context: value %q: want a context of the kubeconfig, which has %s", w.Context,
			strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", "))
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return Place{}, errors.New("kubeconfig: there is none in $KUBECONFIG or ~/.kube/config, and this is no pod; --kubeconfig names one")
	}
	if err != nil {
		return Place{}, fmt.Errorf("kubeconfig: %w", err)
	}
	p := Place{Config: config, Namespace: w.Namespace, From: "--namespace"}
	if p.Namespace == "" {
		p.From = "the kubeconfig"
		if p.Namespace, _, err = loader.Namespace(); err != nil {
			return Place{}, fmt.Errorf("kubeconfig: %w", err)
		}
	}
	if len(validation.IsDNS1123Label(p.Namespace)) > 0 { // it becomes a path
		return Place{}, fmt.Errorf("namespace: value %q of %s: want the name of one namespace, such as zenml-workload-manager", p.Namespace, p.From)
	}
	return p, nil
}

// reachTimeout bounds the first question. A cluster that is not there is to be told of while somebody looks.
const reachTimeout = 15 * time.Second

// Reach makes sure that the API server answers, that it has the namespace, and that the user may read there what a
// trial reads. It asks only for what it may get, list or watch.
func (p Place) Reach(ctx context.Context, server rest.Interface) error {
	if err := p.hasNamespace(ctx, server); err != nil {
		return err
	}
	missing, err := rights.Refused(ctx, server, rights.Use{
		Namespace: p.Namespace, Rights: rights.Watching, Without: "its logs cannot be shown", Vital: true,
	})
	switch {
	case err != nil:
		return fmt.Errorf("API server %s: %w", p.Config.Host, err)
	case len(missing) > 0:
		return fmt.Errorf("%w in namespace %s: %s; whoever has the ClusterRole \"view\" there has them all", ErrRights, p.Namespace, names(missing))
	}
	return nil
}

func names(missing []rights.Lack) string {
	var all []string
	for _, m := range missing {
		all = append(all, fmt.Sprintf("%s (%s)", m.Right, m.For))
	}
	return strings.Join(all, ", ")
}

// hasNamespace: a list of a namespace that does not exist is empty, and a typing error would look like a cluster
// without Jobs.
func (p Place) hasNamespace(ctx context.Context, server rest.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	err := server.Get().AbsPath("/api/v1/namespaces", p.Namespace).Do(ctx).Error()
	switch {
	case err == nil, apierrors.IsForbidden(err): // not everybody may look at namespaces
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: value %q of %s: want one that API server %s has", ErrNamespace, p.Namespace, p.From, p.Config.Host)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("API server %s does not accept the kubeconfig's credentials; does `kubectl get pods` work: %w", p.Config.Host, err)
	default:
		return fmt.Errorf("API server %s does not answer; does `kubectl get pods` work: %w", p.Config.Host, err)
	}
}
