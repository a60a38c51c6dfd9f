package remote

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/mark"
)

// Place is where pods of a daemon are looked for.
type Place struct {
	Namespace string // "": all
	Selector  string // of the pods' labels
}

// Places gives them in the order in which they are tried. Without the daemon's own namespace the daemon that says that it keeps the Jobs of
// a namespace comes first, for a cluster may have one for each; one of an older chart says nothing.
func Places(daemon, jobs, name string) []Place {
	all := labels.Set{"app.kubernetes.io/name": name}
	if daemon != "" {
		return []Place{{daemon, all.String()}}
	}
	its := labels.Set{"app.kubernetes.io/name": name, mark.Watches: jobs}
	return []Place{
		{jobs, its.String()}, {metav1.NamespaceAll, its.String()}, {jobs, all.String()}, {metav1.NamespaceAll, all.String()},
	}
}
