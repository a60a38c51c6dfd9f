package cleanup

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/mark"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// The reasons of the Events that users see.
const (
	logsArchived   = "LogsArchived"
	logsPartial    = "LogsPartial"
	logsLost       = "LogsLost"
	jobExpired     = "JobExpired"
	podCannotStart = "PodCannotStart"
	podEnded       = "PodEnded"
	parentDeleted  = "ParentDeleted"
	gateReleased   = "GateReleased"
)

// say makes an Event about the object. It is a courtesy: where it fails that is logged, and nothing waits for it.
func (j *Janitor) say(ctx context.Context, about metav1.Object, reason, message string) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	e := j.cluster.event(about, reason, message)
	if _, err := j.parts.Client.CoreV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{}); err != nil && ctx.Err() == nil {
		j.log.Warn("make Event", "object", about.GetName(), "reason", reason, "err", err)
	}
}

// longestName leaves room for the time in an Event's name, longestMessage is the API server's bound of its text.
const (
	longestName    = 230
	longestMessage = 1024
)

func (c cluster) event(about metav1.Object, reason, message string) *corev1.Event {
	ref := corev1.ObjectReference{
		Namespace: about.GetNamespace(), Name: about.GetName(), UID: about.GetUID(), ResourceVersion: about.GetResourceVersion(),
	}
	switch about.(type) {
	case *batchv1.Job:
		ref.APIVersion, ref.Kind = "batch/v1", "Job"
	case *corev1.Pod:
		ref.APIVersion, ref.Kind = "v1", "Pod"
	}
	kind := corev1.EventTypeNormal
	if reason == logsPartial || reason == logsLost || reason == podCannotStart {
		kind = corev1.EventTypeWarning
	}
	now := metav1.Now()
	name := about.GetName()
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: ref.Namespace, Name: fmt.Sprintf("%s.%x", name[:min(len(name), longestName)], now.UnixNano())},
		InvolvedObject: ref, Type: kind, Reason: reason, Message: shorter(message, longestMessage),
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
		Source: corev1.EventSource{Component: "epilogue"}, ReportingController: "epilogue.dev/epilogue", ReportingInstance: c.replica,
	}
}

// shorter returns no more than so many bytes of the text, and no half of a character.
func shorter(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// because says how long was waited before something is ended, by which setting, and why.
func (d Decision) because(now time.Time) string {
	text := fmt.Sprintf("(%s): %s", d.Setting, d.Detail)
	if waited := d.waited(now); waited > 0 {
		text = fmt.Sprintf("after %s %s", waited, text)
	}
	return text
}

func (d Decision) waited(now time.Time) time.Duration {
	return max(0, now.Sub(d.Since).Round(time.Second))
}

// sayEnded tells of a pod, or of a Job that gets none, that was just ended.
func (j *Janitor) sayEnded(ctx context.Context, f Facts, d Decision, now time.Time) {
	reason := podCannotStart
	var message string
	switch {
	case d.Pod == nil:
		message = "no pod can be created, so the Job is ended "
	case d.Reason == Deleting:
		reason, message = podEnded, fmt.Sprintf("pod %s is ended ", d.Pod.Name)
	case d.Reason == CrashLoop:
		message = fmt.Sprintf("pod %s keeps crashing and is ended ", d.Pod.Name)
	default:
		message = fmt.Sprintf("pod %s cannot start and is ended ", d.Pod.Name)
	}
	var about metav1.Object = d.Pod
	if f.Job != nil {
		about = f.Job
	}
	j.say(ctx, about, reason, message+d.because(now))
}

// sayLogs tells what became of the Job's logs, and when it goes: this is the notice before its deletion.
func (j *Janitor) sayLogs(ctx context.Context, p proven, list []Decision) {
	verdict := p.verdict()
	message := fmt.Sprintf("the logs are in the archive below %s, verdict %s", p.ref.JobPrefix(), p.inWords())
	if p.unseen > 0 {
		message += fmt.Sprintf("; %d pods came and went before they were seen", p.unseen)
	}
	if wait := pick(list, Wait); len(wait) > 0 && p.Job.DeletionTimestamp == nil {
		message += fmt.Sprintf("; the Job is deleted at %s (%s) unless it is annotated %s=true",
			wait[0].At.UTC().Format(time.RFC3339), wait[0].Reason, mark.Keep)
	}
	j.say(ctx, p.Job, verdictEvent(verdict), message)
}

func verdictEvent(v archive.Verdict) string {
	switch v {
	case archive.Lost:
		return logsLost
	case archive.Partial:
		return logsPartial
	default:
		return logsArchived
	}
}

// tells reports whether the owner of the Job is to be told that its document was just written. Of Jobs that had
// finished before this replica began, and are not held, there may be a hundred thousand: nobody waits for word of
// those. A daemon that only archives says nothing in the cluster, where it may have no right to.
func (j *Janitor) tells(job types.UID, f Facts) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.untold[job] || f.Job == nil || j.cfg.ArchivesOnly() || pods.FinishedAt(f.Job).Before(f.Since) {
		delete(j.untold, job)
		return false
	}
	return true
}

// carries reports whether the object has all these annotations.
func carries(o metav1.Object, words map[string]string) bool {
	for key, word := range words {
		if o.GetAnnotations()[key] != word {
			return false
		}
	}
	return true
}

func (j *Janitor) told(job types.UID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.untold, job)
}
