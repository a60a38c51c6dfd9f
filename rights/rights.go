// Package rights is the one table of what Epilogue must be allowed to do in the cluster, and asks the API server for
// it. The daemon looks at its own rights when it starts, the command line's doctor at those of somebody else, and a
// test holds the chart's Roles against the table. It keeps nothing and changes nothing: a review is a question.
package rights

import (
	authorizationv1 "k8s.io/api/authorization/v1"
)

// Right is something that somebody must be allowed to do.
type Right struct {
	Verb, Group, Resource, Subresource string
	For                                string // what it is needed for
	Name                               string // of the one object; "": all
}

func (r Right) String() string {
	name := r.Resource
	if r.Subresource != "" {
		name += "/" + r.Subresource
	}
	if r.Group != "" {
		name += "." + r.Group
	}
	if r.Name != "" {
		name += " " + r.Name
	}
	return r.Verb + " " + name
}

// In returns the question for a namespace, "" for the cluster.
func (r Right) In(namespace string) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: r.Verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource, Name: r.Name,
	}
}

// Watching is what the daemon must be allowed to do in the namespace of the Jobs, whatever it is set to do.
var Watching = []Right{
	{Verb: "get", Resource: "pods", For: "to prove whose log it read"},
	{Verb: "list", Resource: "pods", For: "to see containers start"},
	{Verb: "watch", Resource: "pods", For: "to see containers start"},
	{Verb: "get", Resource: "pods", Subresource: "log", For: "to read logs"},
	{Verb: "list", Group: batch, Resource: "jobs", For: "to know which pods to keep"},
	{Verb: "watch", Group: batch, Resource: "jobs", For: "to know which pods to keep"},
	{Verb: "list", Resource: "events", For: "post-mortems"},
	{Verb: "watch", Resource: "events", For: "post-mortems"},
}

// Sharing is what replicas need in the daemon's own namespace.
var Sharing = []Right{
	{Verb: "create", Group: coordination, Resource: "leases", For: "to share the work"},
	{Verb: "get", Group: coordination, Resource: "leases", For: "to share the work"},
	{Verb: "list", Group: coordination, Resource: "leases", For: "to share the work"},
	{Verb: "watch", Group: coordination, Resource: "leases", For: "to share the work"},
	{Verb: "update", Group: coordination, Resource: "leases", For: "to share the work"},
	{Verb: "delete", Group: coordination, Resource: "leases", For: "to take over from a replica that died"},
}

// Knowing is what replicas need there besides, to tell their own Leases from those that others may write.
var Knowing = []Right{
	{Verb: "list", Resource: "pods", For: "to believe no Lease but a replica's"},
}

// Identifying is what keeps the logs of clusters that share a bucket apart, in the namespace kube-system.
var Identifying = []Right{
	{Verb: "get", Resource: "namespaces", Name: "kube-system", For: "to know which cluster this is"},
}

// Holding is what the gate and the cleanup need in the namespace of the Jobs: whoever holds a Job has to end its pods
// gently once somebody deletes it.
var Holding = []Right{
	{Verb: "get", Group: batch, Resource: "jobs", For: "to look again before a change"},
	{Verb: "patch", Group: batch, Resource: "jobs", For: "the gate"},
	{Verb: "patch", Resource: "pods", For: "to end pods gently"},
	{Verb: "create", Resource: "events", For: "to tell what is done"},
	{Verb: "get", Group: batch, Resource: "cronjobs", For: "to end what a deleted CronJob waits for"},
}

// Ending is what holders need besides, to open gates before a namespace that is deleted takes the right to along.
func Ending(namespace string) []Right {
	return []Right{{Verb: "get", Resource: "namespaces", Name: namespace, For: "to open gates before the namespace goes"}}
}

// Deleting is what the cleanup needs besides.
var Deleting = []Right{
	{Verb: "delete", Group: batch, Resource: "jobs", For: "cleanup"},
	{Verb: "delete", Resource: "pods", For: "cleanup"},
}

// Serving is what the API needs, outside of any namespace.
var Serving = []Right{
	{Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews", For: "to know whose token it is"},
	{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews", For: "to know what he may do"},
}

// launching is what the launcher needs in the namespace of the Jobs, besides Holding.
var launching = []Right{
	{Verb: "create", Group: batch, Resource: "jobs", For: "to launch"},
	{Verb: "create", Resource: "secrets", For: "a workload's environment"},
	{Verb: "create", Resource: "configmaps", For: "a builder's Dockerfile"},
	{Verb: "create", Group: coordination, Resource: "leases", For: "the queue's ticket"},
	{Verb: "get", Group: coordination, Resource: "leases", Name: QueueTicket, For: "the queue's ticket"},
	{Verb: "update", Group: coordination, Resource: "leases", Name: QueueTicket, For: "the queue's ticket"},
}

// registryLogin is what the launcher needs where a Secret holds the login of its registry.
func registryLogin(secret string) []Right {
	return []Right{{Verb: "get", Resource: "secrets", Name: secret, For: "the registry's login"}}
}

const (
	// QueueTicket is the Lease that names the last Job of the queue that was started.
	QueueTicket = "epilogue-queue"

	batch        = "batch"
	coordination = "coordination.k8s.io"
)
