package remote

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/mark"
)

// daemonPod is a ready pod with the labels and the port of a daemon, which anybody may give a pod who may create one.
func daemonPod(namespace, name, account, watches string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{
			"app.kubernetes.io/name": "epilogue", mark.Watches: watches,
		}},
		Spec: corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{
			Name: "epilogue", Ports: []corev1.ContainerPort{{Name: apiPort, ContainerPort: 8000}},
		}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}

// binding is the chart's, by which the daemon's account may ask whose a token is.
func binding(namespace, account string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace + "-" + account + "-reviews", Labels: map[string]string{"app.kubernetes.io/name": "epilogue"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reviews"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
	}
}

// TestFindsTheDaemonAlone: labels vouch for nobody. A token goes only to a pod of an account that the cluster's own
// bindings name, or that is in the namespace that the user has named, and never by itself into the namespace of the
// workloads.
func TestFindsTheDaemonAlone(t *testing.T) {
	real, other := daemonPod("system", "epilogue-1", "epilogue", "jobs"), daemonPod("other", "epilogue-2", "epilogue", "else")
	thief := daemonPod("jobs", "step-of-some-pipeline", "default", "jobs")
	for _, test := range []struct {
		name      string
		objects   []runtime.Object
		told      string // namespace of the daemon
		forbidden bool   // to list bindings
		want      string
		says      string
	}{
		{name: "a pod of a pipeline that looks like it", objects: []runtime.Object{real, thief, binding("system", "epilogue")}, want: "system/epilogue-1"},
		{name: "and no daemon", objects: []runtime.Object{thief}, says: "no ClusterRoleBinding has the label app.kubernetes.io/name=epilogue"},
		{name: "in any namespace", objects: []runtime.Object{daemonPod("evil", "x", "default", "jobs"), binding("system", "epilogue")}, says: "no pod of service account system/epilogue is ready"},
		{name: "of another account beside it", objects: []runtime.Object{daemonPod("system", "a", "default", "jobs"), real, binding("system", "epilogue")}, want: "system/epilogue-1"},
		{name: "the one that keeps these Jobs", objects: []runtime.Object{other, real, binding("other", "epilogue"), binding("system", "epilogue")}, want: "system/epilogue-1"},
		{name: "one of an older chart", objects: []runtime.Object{daemonPod("system", "old", "epilogue", ""), binding("system", "epilogue")}, want: "system/old"},
		{name: "beside the workloads", objects: []runtime.Object{daemonPod("jobs", "epilogue-1", "epilogue", "jobs"), binding("jobs", "epilogue")},
			says: "runs in jobs itself, the namespace of the workloads, whose users could stand in for it: --daemon-namespace jobs says that it is meant"},
		{name: "beside the workloads, as told", told: "jobs", objects: []runtime.Object{thief, daemonPod("jobs", "x", "epilogue", "jobs"), binding("jobs", "epilogue")}, want: "jobs/x"},
		{name: "told, and of another account", told: "system", objects: []runtime.Object{daemonPod("system", "a", "default", "jobs"), binding("system", "epilogue")},
			says: "no pod of service account system/epilogue is ready"},
		{name: "told, with bindings of one's own", told: "system", objects: []runtime.Object{real, thief}, want: "system/epilogue-1"},
		{name: "told, where bindings may not be read", told: "system", forbidden: true, objects: []runtime.Object{real, thief}, want: "system/epilogue-1"},
		{name: "not told, where bindings may not be read", forbidden: true, objects: []runtime.Object{real, thief}, says: "give its namespace with --daemon-namespace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fake.NewClientset(test.objects...)
			if test.forbidden {
				client.PrependReactor("list", "clusterrolebindings", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "clusterrolebindings"}, "", errors.New("no"))
				})
			}
			c := &Cluster{Client: client, Daemon: test.told, Jobs: "jobs", Name: "epilogue"}
			pod, port, err := c.find(t.Context())
			got := ""
			if err == nil {
				got = fmt.Sprintf("%s/%s", pod.Namespace, pod.Name)
			}
			if got != test.want || err == nil && port != 8000 {
				t.Errorf("got %q, port %d, %v, want %q", got, port, err, test.want)
			}
			if test.says != "" && (!errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want ErrNoDaemon and %q", err, test.says)
			}
		})
	}
}
