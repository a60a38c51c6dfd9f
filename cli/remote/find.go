package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/mark"
)

// find returns a pod of the daemon that is ready and has the port. The caller's token goes there, so that it is not
// found by what a tenant of any namespace can write, as the labels of a pod: by the ClusterRoleBindings that give the
// daemon's service account the right to ask whose a token is, or by the namespace that the caller has named. Whoever
// may create pods in the namespace of the workloads may run them as any account there; so a daemon in that namespace is
// asked only where the caller has named it.
func (c *Cluster) find(ctx context.Context) (*corev1.Pod, int32, error) {
	accounts, err := c.accounts(ctx)
	switch {
	case err != nil && c.Daemon == "":
		return nil, 0, fmt.Errorf("%w: it is found by its ClusterRoleBinding, which could not be read; give its namespace with --daemon-namespace: %w", ErrNoDaemon, err)
	case c.Daemon != "":
		accounts = slices.DeleteFunc(accounts, func(a types.NamespacedName) bool { return a.Namespace != c.Daemon })
		// The bindings may not be read, or are not the chart's: the caller vouches for the namespace.
		if len(accounts) == 0 {
			accounts = []types.NamespacedName{{Namespace: c.Daemon}}
		}
	case len(accounts) == 0:
		return nil, 0, fmt.Errorf("%w: no ClusterRoleBinding has the label %s; give its namespace with --daemon-namespace", ErrNoDaemon, c.selector())
	default:
		apart := slices.DeleteFunc(slices.Clone(accounts), func(a types.NamespacedName) bool { return a.Namespace == c.Jobs })
		if len(apart) == 0 {
			return nil, 0, fmt.Errorf("%w: one runs in %s itself, the namespace of the workloads, whose users could stand in for it: --daemon-namespace %s says that it is meant",
				ErrNoDaemon, c.Jobs, c.Jobs)
		}
		accounts = apart
	}
	return c.podOf(ctx, accounts)
}

func (c *Cluster) selector() string { return labels.Set{"app.kubernetes.io/name": c.Name}.String() }

// accounts are those of daemons, as the cluster's own objects name them.
func (c *Cluster) accounts(ctx context.Context) ([]types.NamespacedName, error) {
	list, err := c.Client.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
	if err != nil {
		return nil, err
	}
	var all []types.NamespacedName
	for i := range list.Items {
		for _, s := range list.Items[i].Subjects {
			if a := (types.NamespacedName{Namespace: s.Namespace, Name: s.Name}); s.Kind == rbacv1.ServiceAccountKind && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// podOf returns a pod of one of the accounts; an account without a name is any. The daemon that says that it keeps the
// Jobs of the namespace comes first, for a cluster may have one for each; one of an older chart says nothing.
func (c *Cluster) podOf(ctx context.Context, accounts []types.NamespacedName) (*corev1.Pod, int32, error) {
	var trouble error
	var second *corev1.Pod
	for _, a := range accounts {
		list, err := c.Client.CoreV1().Pods(a.Namespace).List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
		if err != nil {
			trouble = err
			continue
		}
		for i := range list.Items {
			p := &list.Items[i]
			switch {
			case portOf(p) == 0 || !ready(p) || a.Name != "" && p.Spec.ServiceAccountName != a.Name:
			case p.Labels[mark.Watches] == c.Jobs:
				return p, portOf(p), nil
			case second == nil:
				second = p
			}
		}
	}
	switch {
	case second != nil:
		return second, portOf(second), nil
	case trouble != nil:
		return nil, 0, fmt.Errorf("%w: %w", ErrNoDaemon, trouble)
	default:
		return nil, 0, fmt.Errorf("%w: no pod of %s is ready and has the label %s and a port %q", ErrNoDaemon, named(accounts), c.selector(), apiPort)
	}
}

func named(accounts []types.NamespacedName) string {
	if a := accounts[0]; a.Name == "" {
		return "namespace " + a.Namespace
	}
	names := make([]string, 0, len(accounts))
	for _, a := range accounts {
		names = append(names, a.String())
	}
	return "service account " + strings.Join(names, ", ")
}
