package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// Others than replicas may be able to write Leases. So a Lease is one man's word until a pod of the release's service
// account is seen that has its holder's name: only then does it count, and its address only if it is that pod's. Once
// the pod is gone the Lease's renewals count no more, so that it lapses and is deleted as any other: its holder, should
// it still run, learns of it by that.
//
// What there was before this replica joined counts until then, pod or not: it can be the Lease of a replica whose pod
// was deleted and whose process still writes. What comes later must show its pod first, and has to wait for this
// replica's hand-over anyway.

// witnesses are what is known of the release's pods. Owned by Run.
type witnesses struct {
	pods     map[string][]string // IPs, by the name that the replica in the pod has
	believed map[types.UID]bool  // Leases that count
	joined   types.UID           // this replica's Lease, once the pods were seen that were there when it was new
	asked    time.Time           // when the pods were asked for
	came     bool                // and the answer came
	barred   bool                // pods cannot be seen: then each Lease is taken for what it says, but for its address
	strange  int                 // Leases that did not count at the last look
}

// witnessed reports whether Leases need a pod.
func (l *Leases) witnessed() bool { return l.cfg.Account != "" }

// counts reports whether a Lease is that of a live replica, for all that is known.
func (l *Leases) counts(lease *coordinationv1.Lease) bool {
	return !l.witnessed() || l.seen.barred || l.seen.believed[lease.UID]
}

// hasPod reports whether the holder's pod was there at the last look, so that its renewals count.
func (l *Leases) hasPod(lease *coordinationv1.Lease) bool {
	if !l.witnessed() || l.seen.barred {
		return true
	}
	_, there := l.seen.pods[holder(lease)]
	return there && lease.Name == l.nameOf(holder(lease)) // one Lease a pod
}

// joined reports whether all are known who were there before this replica.
func (l *Leases) joined() bool {
	return !l.witnessed() || l.seen.barred || l.own != nil && l.seen.joined == l.own.UID
}

// addressOf returns the address of the holder's API, "" where it is not its pod's.
func (l *Leases) addressOf(lease *coordinationv1.Lease) string {
	address := lease.Annotations[apiAddress]
	if !l.witnessed() {
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || !l.hasPod(lease) || !slices.Contains(l.seen.pods[holder(lease)], host) {
		return ""
	}
	return address
}

// lookAtPods looks at the release's pods when it is time to: soon where a Lease has come, else so often that a pod that
// is gone is missed in time. It is one request, whatever the number of Leases.
func (l *Leases) lookAtPods(ctx context.Context) {
	if !l.witnessed() || l.own == nil {
		return
	}
	leases := l.listed()
	inCache := slices.ContainsFunc(leases, func(lease *coordinationv1.Lease) bool { return lease.UID == l.own.UID })
	news := inCache && !l.joined() || slices.ContainsFunc(leases, func(lease *coordinationv1.Lease) bool { return !l.counts(lease) })
	pause := l.cfg.Duration / 3
	if news || !l.seen.came {
		pause = l.cfg.Duration / 15
	}
	if first := inCache && !l.joined() && l.seen.came; time.Since(l.seen.asked) < pause && !first {
		return
	}
	l.seen.asked = time.Now()
	pods, err := l.listPods(ctx)
	if _, own := pods[l.cfg.Replica]; err == nil && !own && !l.joined() {
		err = errNoPod
	}
	if l.seen.came = err == nil; err != nil {
		l.withoutPods(ctx, err)
		return
	}
	l.seen.pods, l.seen.barred = pods, false
	l.believe(leases, inCache)
}

// believe counts those Leases whose pods were seen and, where this replica is just joining, all.
func (l *Leases) believe(leases []*coordinationv1.Lease, inCache bool) {
	joining := inCache && !l.joined()
	believed, strange := map[types.UID]bool{}, 0
	for _, lease := range leases {
		believed[lease.UID] = joining || l.seen.believed[lease.UID] || l.hasPod(lease)
		if !believed[lease.UID] {
			strange++
		}
	}
	if joining {
		l.seen.joined = l.own.UID
	}
	if strange > l.seen.strange {
		l.log.Warn("leases of no pod of this release do not count", "count", strange, "account", l.cfg.Account)
	}
	l.seen.believed, l.seen.strange = believed, strange
}

// errNoPod: what is set of replicas and their account is not so. Then it can be no measure of others.
var errNoPod = errors.New("this replica's own pod is not among them")

func (l *Leases) withoutPods(ctx context.Context, err error) {
	switch lasting := apierrors.IsForbidden(err) || errors.Is(err, errNoPod); {
	case lasting && !l.seen.barred:
		l.log.Error("the pods of the replicas cannot be seen, so that any Lease counts", "namespace", l.cfg.Namespace, "account", l.cfg.Account, "err", err)
		l.seen.barred, l.seen.pods = true, nil
	case !lasting && ctx.Err() == nil:
		l.log.Warn("look at the pods of the replicas", "err", err)
	}
}

// listPods returns the addresses of the release's pods that run or are about to.
func (l *Leases) listPods(ctx context.Context) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Duration/10) // Run has to renew in time
	defer cancel()
	pods := map[string][]string{}
	// The newest state, not that of a cache: a pod is older than its Lease, and so is there if the Lease is.
	list, err := l.client.CoreV1().Pods(l.cfg.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.serviceAccountName", l.cfg.Account).String(),
	})
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", l.cfg.Account, err)
	}
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Spec.ServiceAccountName != l.cfg.Account || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		ips := []string{pod.Status.PodIP}
		for _, ip := range pod.Status.PodIPs {
			ips = append(ips, ip.IP)
		}
		pods[hostname(pod)] = ips
	}
	return pods, nil
}

// hostname is what the kubelet calls the host in a pod, and so what a replica calls itself.
func hostname(pod *corev1.Pod) string {
	const most = 63
	name := cmp.Or(pod.Spec.Hostname, pod.Name)
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name
}
