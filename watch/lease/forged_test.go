package lease

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

const replicaAccount = "epilogue"

var leaseResource = coordinationv1.SchemeGroupVersion.WithResource("leases")

// runPod has a replica's pod run, at an address of its own.
func runPod(t *testing.T, s *watchtest.LeaseServer, name, account, ip string, phase corev1.PodPhase) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: name}, Spec: corev1.PodSpec{ServiceAccountName: account},
		Status: corev1.PodStatus{Phase: phase, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}}}
	if err := s.Tracker().Add(pod); err != nil {
		t.Fatal(err)
	}
}

// replica starts one in a pod.
func replica(t *testing.T, s *watchtest.LeaseServer, name, ip string) *member {
	t.Helper()
	runPod(t, s, name, replicaAccount, ip, corev1.PodRunning)
	return joinAs(t, s, Config{
		Namespace: "system", Group: "epilogue", Replica: name, Duration: watchtest.LeaseTime, API: ip + ":8000", Account: replicaAccount,
	})
}

// forge writes a Lease as anybody may who has the right, and renews it for ever.
func forge(t *testing.T, s *watchtest.LeaseServer, name, holder, address string) {
	t.Helper()
	long := int32(1 << 30)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "system", Name: name, Labels: map[string]string{componentLabel: leaseComponent, groupLabel: "epilogue"},
			Annotations: map[string]string{apiAddress: address},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &long},
	}
	if _, err := s.CoordinationV1().Leases("system").Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { <-done }) // the test's context has ended by then
	go func() {
		defer close(done)
		for t.Context().Err() == nil {
			time.Sleep(time.Second)
			if there := s.Stored(name); there != nil {
				_, _ = s.CoordinationV1().Leases("system").Update(t.Context(), there.DeepCopy(), metav1.UpdateOptions{})
			}
		}
	}()
}

// addresses returns where the replicas that are seen are reached.
func (m *member) addresses() []string {
	v, _ := m.View()
	var all []string
	for _, o := range v.Others {
		all = append(all, o.API)
	}
	return all
}

// TestLeaseNeedsItsPod: whatever somebody writes into Leases, they are nobody's but the release's pods.
func TestLeaseNeedsItsPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a := replica(t, s, "a", "10.0.0.1")
		watchtest.Pass(2 * time.Second)
		runPod(t, s, "theirs", "default", "10.9.0.1", corev1.PodRunning)
		runPod(t, s, "old", replicaAccount, "10.9.0.2", corev1.PodFailed)
		for n := range 9 {
			forge(t, s, fmt.Sprintf("epilogue-ghost-%d", n), fmt.Sprintf("ghost-%d", n), "10.9.9.9:80")
		}
		forge(t, s, "epilogue-theirs", "theirs", "10.9.0.1:80")
		forge(t, s, "epilogue-old", "old", "10.9.0.2:80")
		forge(t, s, "epilogue-again", "a", "10.0.0.1:8000") // a second one for a pod that has its own
		for range 40 {
			watchtest.Pass(time.Second)
			check(t, "among forged Leases", a, "a")
		}
		b := replica(t, s, "b", "10.0.0.2")
		watchtest.Pass(3 * watchtest.LeaseTime)
		check(t, "after b has joined", a, "a", "b")
		check(t, "after b has joined", b, "a", "b")
		if got, want := a.addresses(), []string{"10.0.0.2:8000"}; !slices.Equal(got, want) {
			t.Errorf("got addresses %v, want b's", got)
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseAddressIsItsPods: somebody changes the address in a replica's own Lease.
func TestLeaseAddressIsItsPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a, b := replica(t, s, "a", "10.0.0.1"), replica(t, s, "b", "10.0.0.2")
		watchtest.Pass(2 * time.Second)
		changed := s.Stored("epilogue-b").DeepCopy()
		changed.Annotations[apiAddress] = "10.9.9.9:80"
		if err := s.Tracker().Update(leaseResource, changed, "system"); err != nil {
			t.Fatal(err)
		}
		watchtest.Pass(time.Second)
		if got := a.addresses(); !slices.Equal(got, []string{""}) {
			t.Errorf("got addresses %v, want none that is not b's", got)
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseWithoutPodLapses: the pod of a replica was deleted by force, and its process renews on. It is heard out for
// as long as it takes to tell it by its Lease's deletion that others have its logs.
func TestLeaseWithoutPodLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a, b := replica(t, s, "a", "10.0.0.1"), replica(t, s, "b", "10.0.0.2")
		watchtest.Pass(2 * time.Second)
		check(t, "in peace", a, "a", "b")
		if err := s.Tracker().Delete(watchtest.PodResource, "system", "b"); err != nil {
			t.Fatal(err)
		}
		first := b.lease()
		watchtest.Pass(watchtest.LeaseTime / 2)
		check(t, "while b may not know", a, "a", "b")
		watchtest.Pass(watchtest.LeaseTime)
		check(t, "after its duration", a, "a")
		if there := s.Stored("epilogue-b"); there != nil && there.UID == first {
			t.Error("got b's first Lease, want it deleted, so that b learns of it")
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseFromBeforeCountsAtFirst: who joins waits for what was there, once, even if its pod is gone.
func TestLeaseFromBeforeCountsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		forge(t, s, "epilogue-before", "before", "10.9.9.9:80")
		a := replica(t, s, "a", "10.0.0.1")
		watchtest.Pass(watchtest.LeaseTime / 2)
		check(t, "at first", a, "a", "before")
		if got := a.addresses(); !slices.Equal(got, []string{""}) {
			t.Errorf("got addresses %v, want none", got)
		}
		watchtest.Pass(watchtest.LeaseTime)
		check(t, "after its duration", a, "a")
		a.stop()
	})
}

// TestLeaseWhilePodsAreHidden: without the right to see pods it is as it was, but no address counts; while nobody
// answers it waits.
func TestLeaseWhilePodsAreHidden(t *testing.T) {
	forbidden := apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no"))
	for name, test := range map[string]struct {
		err  error
		want []string
	}{"forbidden": {forbidden, []string{"a", "b"}}, "no answer": {watchtest.ErrCut, nil}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := watchtest.NewLeaseServer()
				var hidden atomic.Bool
				hidden.Store(true)
				s.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					return hidden.Load(), nil, test.err
				})
				a, b := replica(t, s, "a", "10.0.0.1"), replica(t, s, "b", "10.0.0.2")
				watchtest.Pass(watchtest.LeaseTime)
				check(t, "while pods are hidden", a, test.want...)
				for _, address := range a.addresses() {
					if address != "" {
						t.Errorf("got address %q, want none", address)
					}
				}
				hidden.Store(false)
				watchtest.Pass(watchtest.LeaseTime)
				check(t, "afterwards", a, "a", "b")
				if got, want := a.addresses(), []string{"10.0.0.2:8000"}; !slices.Equal(got, want) {
					t.Errorf("afterwards: got addresses %v, want %v", got, want)
				}
				a.stop()
				b.stop()
			})
		})
	}
}

// TestLeaseOfReplicaWithoutPod: the account is set, and the replica is no pod of it, or goes by another name.
func TestLeaseOfReplicaWithoutPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		cfg := Config{Namespace: "system", Group: "epilogue", Replica: "a", Duration: watchtest.LeaseTime, Account: replicaAccount}
		a := joinAs(t, s, cfg)
		cfg.Replica = "b"
		b := joinAs(t, s, cfg)
		watchtest.Pass(watchtest.LeaseTime)
		check(t, "two without pods", a, "a", "b")
		check(t, "two without pods", b, "a", "b")
		a.stop()
		b.stop()
	})
}

// TestLeaseDurationIsCapped: also where Leases need no pods, nobody is believed for 34 years.
func TestLeaseDurationIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a := join(t, s, "a")
		long, ghost := int32(1<<30), "ghost"
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "epilogue-ghost", Labels: map[string]string{componentLabel: leaseComponent, groupLabel: "epilogue"}},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &ghost, LeaseDurationSeconds: &long},
		}
		if _, err := s.CoordinationV1().Leases("system").Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		watchtest.Pass(mostTrusted*watchtest.LeaseTime + 2*time.Second)
		check(t, "after twice our duration", a, "a")
		a.stop()
	})
}
