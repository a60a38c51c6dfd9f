// Package mark holds the names by which Epilogue knows and marks objects of the cluster, and the form of their values.
// They are an interface: users write some of them, and objects outlive the version that wrote them. Nothing here may
// change its meaning.
package mark

// Finalizer is the gate: a Job that carries it stays, and its pods with it, until their logs are archived. A pod
// carries it only where it must not vanish before its manifest exists.
const Finalizer = "epilogue.dev/archive"

// Annotations by which the owner of a Job beats all rules.
const (
	TTL     = "epilogue.dev/ttl"     // how long the Job is kept after its end, as ParseTTL reads it
	Expires = "epilogue.dev/expires" // until when it is kept, as ParseTime reads it
	Keep    = "epilogue.dev/keep"    // "true": for ever
	Gate    = "epilogue.dev/gate"    // GatePods: not the Job is held but its pods
)

// GatePods is the value of Gate.
const GatePods = "pods"

// Annotations that Epilogue writes.
const (
	AdoptedTTL = "epilogue.dev/ttl-seconds-after-finished" // what spec.ttlSecondsAfterFinished was, in plain seconds
	// The folder in the archive, below its prefix, that holds all of the Job.
	ArchiveKey = "epilogue.dev/archive-key"
	Verdict    = "epilogue.dev/verdict" // the worst verdict on the Job's logs
	// When the gate was taken off by hand; it is not put on again.
	Released = "epilogue.dev/released"
	// On a pod or Job that was ended: by which setting, after how long, and why.
	Ended = "epilogue.dev/ended"
	// On one that is deleted and held: from when the gate's deadline counts.
	HeldSince = "epilogue.dev/held-since"
	// On a pod: the gate is on it because it must not be on its Job.
	HeldForJob = "epilogue.dev/held-for-job"
)

// Annotations of others that say what an object is.
const (
	DefaultContainer = "kubectl.kubernetes.io/default-container" // on a pod: the name of its main container
	HelmHook         = "helm.sh/hook"                            // on a hook of Helm, and of Flux
	ArgoHook         = "argocd.argoproj.io/hook"                 // on a hook of Argo CD
	HelmRelease      = "meta.helm.sh/release-name"               // on what Helm, or Flux by it, has installed
	ArgoTracking     = "argocd.argoproj.io/tracking-id"          // on what Argo CD has synchronized
)

// FluxKustomization is the label of what Flux has applied.
const FluxKustomization = "kustomize.toolkit.fluxcd.io/name"

// Applied are the annotations, and AppliedLabels the labels, of a Job whose name comes again: whoever applies it
// deletes it and makes it anew.
var (
	Applied       = []string{HelmHook, ArgoHook, HelmRelease, ArgoTracking}
	AppliedLabels = []string{FluxKustomization}
)

// Labels of Jobs that Epilogue launched.
const (
	WorkloadID = "epilogue.dev/workload-id"
	Kind       = "epilogue.dev/kind"    // Runner or Builder
	Attempt    = "epilogue.dev/attempt" // 1 for the first Job of its workload and kind
)

// Watches is the label of the daemon's pods, set by the chart: the namespace whose Jobs it keeps.
const Watches = "epilogue.dev/watches"

// The kinds of Jobs.
const (
	Runner  = "runner"
	Builder = "builder"
)
