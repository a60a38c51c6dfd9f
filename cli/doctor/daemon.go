package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// daemonPod is what is looked at of a pod of the daemon. Its environment is not.
type daemonPod struct {
	name, account, version string
	ready                  bool
	restarts               int32
	why                    string // it is not ready
	last                   string // how it ended last; "": it has not
	runs                   bool
}

const install = "install the chart: helm install epilogue deploy/chart/epilogue, see README.md; or name its namespace with --daemon-namespace"

// findDaemon looks for what looks like it.
func (v *visit) findDaemon(ctx context.Context) {
	looked := places(v.Daemon, v.Namespace, v.Name)
	refused := map[string]error{}
	for _, place := range looked {
		list, err := v.Client.CoreV1().Pods(place.namespace).List(ctx, metav1.ListOptions{LabelSelector: place.selector})
		if err != nil {
			refused[place.namespace] = err
			continue
		}
		if len(list.Items) > 0 {
			v.took(list.Items)
			return
		}
	}
	last := looked[len(looked)-1].namespace
	if err := refused[last]; err != nil {
		v.say(Warn, fmt.Sprintf("the daemon could not be looked for in %s: %v", placeName(last), err), "name its namespace with --daemon-namespace")
		return
	}
	v.say(Bad, fmt.Sprintf("there is no pod of Epilogue in %s", placeName(last)), install)
}

func placeName(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "any namespace"
	}
	return "namespace " + namespace
}

func (v *visit) took(pods []corev1.Pod) {
	v.Daemon = pods[0].Namespace
	for i := range pods {
		if pods[i].Namespace == v.Daemon {
			v.pods = append(v.pods, seen(&pods[i]))
		}
	}
}

func seen(p *corev1.Pod) daemonPod {
	d := daemonPod{name: p.Name, account: p.Spec.ServiceAccountName, version: p.Labels["app.kubernetes.io/version"]}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			d.ready = c.Status == corev1.ConditionTrue
			d.why = strings.Trim(c.Reason+", "+c.Message, ", ")
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		d.restarts += c.RestartCount
		if w := c.State.Waiting; w != nil {
			d.why = w.Reason
		}
		d.runs = d.runs || c.State.Running != nil
		if last := c.LastTerminationState.Terminated; last != nil {
			d.last = fmt.Sprintf("; it ended last with %s, exit code %d", last.Reason, last.ExitCode)
		}
	}
	return d
}

// healthPort is the chart's.
const healthPort = "8080"

// waitsFor returns what a pod that runs says itself of what it waits for, and else what the cluster says. kubectl shows
// the body of no answer that is 503.
func (v *visit) waitsFor(ctx context.Context, p daemonPod) string {
	if !p.runs {
		return p.why
	}
	resp, err := get(ctx, v.REST, fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%s/proxy/readyz", v.Daemon, p.name, healthPort))
	if err != nil {
		return p.why
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		return p.why // who asks lacks the right, or nobody listens
	}
	return strings.TrimSpace(string(said))
}

// daemon says how the daemon's pods are.
func (v *visit) daemon(ctx context.Context) {
	ready, versions := 0, []string{}
	for _, p := range v.pods {
		if p.ready {
			ready++
		} else {
			v.say(Warn, fmt.Sprintf("pod %s/%s is not ready: %s", v.Daemon, p.name, v.waitsFor(ctx, p)), fmt.Sprintf("kubectl -n %s describe pod %s; its log says what it waits for", v.Daemon, p.name))
		}
		if p.restarts > 0 {
			v.say(Warn, fmt.Sprintf("pod %s/%s was restarted %d times%s", v.Daemon, p.name, p.restarts, p.last), fmt.Sprintf("kubectl -n %s logs -p %s", v.Daemon, p.name))
		}
		if !slices.Contains(versions, p.version) {
			versions = append(versions, p.version)
		}
	}
	switch {
	case len(v.pods) == 0:
	case ready == 0:
		v.say(Bad, "no pod of the daemon is ready: nothing is kept now", "see above")
	default:
		v.good("%d of %d pods of the daemon are ready in namespace %s", ready, len(v.pods), v.Daemon)
	}
	if len(versions) > 0 {
		v.versions(versions)
	}
}

func (v *visit) versions(of []string) {
	if len(of) == 1 && of[0] == v.Version {
		v.good("daemon and this program are of version %s", v.Version)
		return
	}
	v.say(Note, fmt.Sprintf("the daemon is of version %s, this program of %s", strings.Join(of, " and "), v.Version), "nothing, unless something that is documented is missing; then bring both to one version")
}
