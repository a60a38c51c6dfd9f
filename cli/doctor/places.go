package doctor

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/epilogue-dev/epilogue/mark"
)

// place is where pods of a daemon are looked for.
type place struct {
	namespace string // "": all
	selector  string // of the pods' labels
}

// places returns them in the order in which they are tried. They go by labels alone, which anybody may write who may
// create pods: that is enough to look at pods, and the other commands, which give a token away, go by more. Without the
// daemon's own namespace the daemon that says that it keeps the Jobs of a namespace comes first, for a cluster may have
// one for each; one of an older chart says nothing.
func places(daemon, jobs, name string) []place {
	all := labels.Set{"app.kubernetes.io/name": name}
	if daemon != "" {
		return []place{{daemon, all.String()}}
	}
	its := labels.Set{"app.kubernetes.io/name": name, mark.Watches: jobs}
	return []place{
		{jobs, its.String()}, {metav1.NamespaceAll, its.String()}, {jobs, all.String()}, {metav1.NamespaceAll, all.String()},
	}
}
