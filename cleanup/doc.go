// Package cleanup deletes finished Jobs, and holds them until that is safe. It is the only part of the program that
// deletes anything in the cluster.
//
// It promises that it deletes no Job and no finished pod whose manifests it has not read back from the store, and that
// a Job which somebody else deletes is held by the gate until its logs are archived, or until the deadline.
//
// Decide is the whole policy, a pure function. The Janitor finds the facts, asks Decide, and carries the decisions out:
// the cache proposes, the store and the API server are asked, and the policy decides a second time on what they say.
//
// Nothing is remembered that a crash could lose: what is to be done follows from the objects in the cluster and the
// manifests in the store, and a start looks at all of them by the same code.
package cleanup
