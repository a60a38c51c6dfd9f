package launch

import (
	"maps"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// Shape is what the configuration says of launched Jobs.
type Shape struct {
	Namespace      string
	ServiceAccount string
	JobLabels      map[string]string // what the daemon's own selector asks for; nil: nothing
	Resources      corev1.ResourceRequirements
	NodeSelector   map[string]string
	Tolerations    []corev1.Toleration
	BackoffLimit   *int32                    // nil: Kubernetes' own default
	FailurePolicy  *batchv1.PodFailurePolicy // nil: none

	PodTemplate     string // JSON of a pod template that is merged over a runner's pod; "": nothing
	BuilderTemplate string // the same for builders
	BuilderImage    string
	RegistrySecret  string // of type kubernetes.io/dockerconfigjson, for builders; "": none
	Insecure        bool   // builders push over plain HTTP
}

// draft is a Job in the making: what requests of both kinds have in common.
type draft struct {
	identity identity
	attempt  int
	timeout  time.Duration
	asked    time.Time
	notes    map[string]string // annotations besides those that every Job has
	pod      corev1.PodTemplateSpec
	template string
	prepared bool
}

// job returns the Job as it is created. It is born with the gate, so that there is no moment in which it could vanish
// with its log, and without a TTL of its own, because Kubernetes' TTL controller deletes in the foreground and takes
// the pods first.
func (s Shape) job(d draft, server Server) (*batchv1.Job, error) {
	pod, err := merge(d.pod, d.template)
	if err != nil {
		return nil, err
	}
	name := d.identity.jobName()
	labels := map[string]string{
		mark.WorkloadID: d.identity.Workload, mark.Kind: string(d.identity.Kind), mark.Attempt: strconv.Itoa(d.attempt),
	}
	// After the merge: a template may not take away what the queue and the archive find a Job by.
	pod.Labels = with(pod.Labels, labels)
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	if d.timeout > 0 {
		// The pod's, not the Job's: a Job whose deadline passes deletes its pods, and their logs go with them.
		pod.Spec.ActiveDeadlineSeconds = new(int64(d.timeout / time.Second))
	}
	job := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: s.Namespace, Labels: with(s.JobLabels, labels),
			Annotations: s.notes(d), Finalizers: []string{mark.Finalizer},
		},
		Spec: batchv1.JobSpec{
			Suspend: new(true), BackoffLimit: s.BackoffLimit, Template: pod,
		},
	}
	if s.FailurePolicy != nil && server.knows(knowsFailurePolicy) {
		job.Spec.PodFailurePolicy = s.FailurePolicy.DeepCopy()
		if server.knows(knowsReplacement) {
			job.Spec.PodReplacementPolicy = new(batchv1.Failed) // the only one that goes with a failure policy
		}
	}
	return job, nil
}

func (s Shape) notes(d draft) map[string]string {
	notes := with(d.notes, map[string]string{queuedAt: queueTimeOf(d.asked)})
	if d.prepared {
		notes[preparedAt] = "true"
	}
	if d.timeout > 0 {
		notes[timeout] = strconv.FormatInt(int64(d.timeout/time.Second), 10)
	}
	return notes
}

// with returns a copy of m with what is in more.
func with(m, more map[string]string) map[string]string {
	all := maps.Clone(m)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	return all
}

// pod returns what the pods of both kinds have in common.
func (s Shape) pod(c corev1.Container) corev1.PodTemplateSpec {
	c.Name, c.Resources = mainContainer, *s.Resources.DeepCopy()
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		ServiceAccountName: s.ServiceAccount,
		RestartPolicy:      corev1.RestartPolicyNever,
		NodeSelector:       maps.Clone(s.NodeSelector),
		Tolerations:        cloneTolerations(s.Tolerations),
		Containers:         []corev1.Container{c},
	}}
}

func cloneTolerations(list []corev1.Toleration) []corev1.Toleration {
	return (&corev1.PodSpec{Tolerations: list}).DeepCopy().Tolerations
}

// runner returns the pod of a runner. What of the restricted profile no image can notice is set; runAsNonRoot and
// dropped capabilities are left to the template, for an image that runs as root would not start with them.
func (s Shape) runner(r Run, image, secret string) corev1.PodTemplateSpec {
	c := corev1.Container{
		Image: image, Command: literal(r.Command), Args: literal(r.Arguments),
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false)},
	}
	if secret != "" {
		c.EnvFrom = []corev1.EnvFromSource{fromSecret(secret)}
	}
	pod := s.pod(c)
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	return pod
}

// fromSecret names the Secret as a whole, so that not even the variables' names stand in the Job.
func fromSecret(name string) corev1.EnvFromSource {
	return corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
}

// literal keeps Kubernetes from reading $(NAME) in the words: they are passed as they are.
func literal(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, strings.ReplaceAll(w, "$", "$$"))
	}
	return out
}
