package pods

import (
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/mark"
)

// WorkloadIDs is the annotation that the trimmed copy of a pod or Job carries in our cache, and nowhere else: the ids
// found in the arguments of its containers, which are cut away.
const WorkloadIDs = ofCache + "/workload-ids"

// trimMark stands in the trimmed copy of an object, where no API server lets anything of that kind pass. So it is told
// which of the annotations in it are ours.
var trimMark = []metav1.ManagedFieldsEntry{{Operation: "Trim"}}

func isTrimmed(m *metav1.ObjectMeta) bool {
	return len(m.ManagedFields) == 1 && m.ManagedFields[0].Operation == "Trim"
}

// Trim makes the cached copy of a pod or Job small, and free of what must never be archived: environment, arguments and
// whatever kubectl copied of them. It is the informers' transform: what it cut can never reach another part of the
// program. A trimmed object must not be sent back by an update.
func Trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		trimPod(o)
	case *batchv1.Job:
		trimJob(o)
	case *corev1.Event:
		trimEvent(o)
	}
	return object, nil
}

func trimPod(pod *corev1.Pod) {
	if isTrimmed(&pod.ObjectMeta) {
		return
	}
	ids := idsInArguments(&pod.Spec)
	trimMeta(&pod.ObjectMeta, ids)
	spec := corev1.PodSpec{
		NodeName: pod.Spec.NodeName, RestartPolicy: pod.Spec.RestartPolicy, ServiceAccountName: pod.Spec.ServiceAccountName,
		ActiveDeadlineSeconds: pod.Spec.ActiveDeadlineSeconds,
	}
	spec.InitContainers = trimContainers(pod.Spec.InitContainers)
	spec.Containers = trimContainers(pod.Spec.Containers)
	for _, c := range pod.Spec.EphemeralContainers {
		spec.EphemeralContainers = append(spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: c.Name, Image: c.Image},
		})
	}
	pod.Spec = spec
}

// trimEvent keeps what a manifest says of an Event.
func trimEvent(e *corev1.Event) {
	*e = corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: e.Name, Namespace: e.Namespace, UID: e.UID, ResourceVersion: e.ResourceVersion},
		InvolvedObject: corev1.ObjectReference{Kind: e.InvolvedObject.Kind, Name: e.InvolvedObject.Name, UID: e.InvolvedObject.UID},
		Type:           e.Type, Reason: e.Reason, Message: e.Message[:min(len(e.Message), eventText)],
		Count: e.Count, FirstTimestamp: e.FirstTimestamp, LastTimestamp: e.LastTimestamp, EventTime: e.EventTime, Series: e.Series,
	}
}

// eventText bounds the text of an Event in the cache, in bytes.
const eventText = 1 << 10

func trimContainers(list []corev1.Container) []corev1.Container {
	var trimmed []corev1.Container
	for _, c := range list {
		trimmed = append(trimmed, corev1.Container{
			Name: c.Name, Image: c.Image, Resources: c.Resources,
			RestartPolicy: c.RestartPolicy, RestartPolicyRules: c.RestartPolicyRules,
		})
	}
	return trimmed
}

func trimJob(job *batchv1.Job) {
	if isTrimmed(&job.ObjectMeta) {
		return
	}
	ids := idsInArguments(&job.Spec.Template.Spec)
	trimMeta(&job.ObjectMeta, ids)
	job.Spec.Template = corev1.PodTemplateSpec{}
	job.Status.UncountedTerminatedPods = nil
}

// heeded are annotations of others by which the cleanup goes. Each holds a name or a word.
var heeded = append([]string{mark.DefaultContainer}, mark.Applied...)

// trimMeta keeps the annotations of ZenML, our own, and a few by name. Others may hold anything, among it a copy of the
// whole object.
func trimMeta(m *metav1.ObjectMeta, ids []string) {
	m.ManagedFields = trimMark
	kept := map[string]string{}
	for key, value := range m.Annotations {
		domain, _, _ := strings.Cut(key, "/")
		ours := strings.HasSuffix(domain, "zenml.io") || strings.HasSuffix(domain, "epilogue.dev") || slices.Contains(heeded, key)
		if ours && !isOfCache(key) {
			kept[key] = value
		}
	}
	if len(ids) > 0 {
		kept[WorkloadIDs] = strings.Join(ids, ",")
	}
	m.Annotations = kept
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// idArguments are the options with which ZenML tells its runner what it runs.
var idArguments = []string{"--snapshot_id", "--deployment_id", "--run_id", "--placeholder_run_id"}

// idsInArguments finds the workload ids that ZenML's runner is started with: the one sign of them that needs no
// knowledge of labels.
func idsInArguments(spec *corev1.PodSpec) []string {
	var ids []string
	for _, c := range spec.Containers {
		words := wordsOf(slices.Concat(c.Command, c.Args))
		for n, word := range words {
			name, value, joined := strings.Cut(word, "=")
			if !slices.Contains(idArguments, name) {
				continue
			}
			if !joined && n+1 < len(words) {
				value = words[n+1]
			}
			if value = strings.ToLower(strings.Trim(value, `'"`)); uuid.MatchString(value) && !slices.Contains(ids, value) {
				ids = append(ids, value)
			}
		}
	}
	return ids
}

// wordsOf takes apart what a shell would: some run the runner's whole command line as one argument of it.
func wordsOf(arguments []string) []string {
	var words []string
	for _, a := range arguments {
		words = append(words, strings.Fields(a)...)
	}
	return words
}

// ofCache is the domain of the annotations that the cache adds. A user's are dropped on the way in.
const ofCache = "cache.epilogue.dev"

func isOfCache(annotation string) bool {
	domain, _, _ := strings.Cut(annotation, "/")
	return domain == ofCache
}
