package watch

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestLeaseJoinAndRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a := join(t, s, "a")
		pass(time.Second)
		check(t, "alone", a, "a")
		b := join(t, s, "b")
		pass(time.Second)
		check(t, "after b joined", a, "a", "b")
		check(t, "after b joined", b, "a", "b")
		pass(10 * leaseTime)
		check(t, "in peace", a, "a", "b")
		b.stop()
		if err := b.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		check(t, "after b has left", a, "a")
		a.stop()
	})
}

func TestLeaseLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		b.stop()
		pass(leaseTime * 9 / 10 * 2 / 3)
		check(t, "while b may come back", a, "a", "b")
		pass(leaseTime)
		check(t, "after b has lapsed", a, "a")
		if s.stored("epilogue-b") != nil {
			t.Error("got a Lease of b, want it deleted, so that b learns of it")
		}
		a.stop()
	})
}

// TestLeaseCutOff has a replica that cannot renew: it has stopped before another one may act in its place, and knows
// afterwards that it was replaced.
func TestLeaseCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		first := b.lease()
		s.setCut("b", true)
		stopped := time.Duration(0)
		for at := time.Duration(0); at < 2*leaseTime; at += 100 * time.Millisecond {
			pass(100 * time.Millisecond)
			if stopped == 0 && b.lease() == "" {
				stopped = at
			}
			if len(a.sees()) == 1 {
				if stopped == 0 || at-stopped < leaseTime/5 {
					t.Errorf("a acts for b after %s, and b has stopped after %s, want that well before", at, stopped)
				}
				break
			}
		}
		check(t, "after b was cut off", a, "a")
		check(t, "itself", b)
		s.setCut("b", false)
		pass(leaseTime / 5)
		check(t, "after b is back", a, "a", "b")
		if got := b.lease(); got == first || got == "" {
			t.Errorf("got Lease %s after %s, want a new one", got, first)
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseCutOffBriefly: nobody has taken over, so nothing has to be handed back.
func TestLeaseCutOffBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		first := b.lease()
		s.setCut("b", true)
		pass(leaseTime * 7 / 10)
		check(t, "itself", b)
		s.setCut("b", false)
		pass(leaseTime / 5)
		check(t, "after b is back", a, "a", "b")
		if got := b.lease(); got != first {
			t.Errorf("got Lease %s, want %s still", got, first)
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseAnswerIsLost has the API server make and renew a Lease and never say so: it is the replica's all the same.
func TestLeaseAnswerIsLost(t *testing.T) {
	for what, before := range map[string]time.Duration{"made": 0, "renewed": time.Second} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLeaseServer()
				a := join(t, s, "a")
				pass(time.Second)
				s.setDeaf("b", before == 0)
				b := join(t, s, "b")
				pass(before)
				s.setDeaf("b", true)
				pass(leaseTime / 2)
				first := s.stored("epilogue-b")
				if first == nil {
					t.Fatal("got no Lease of b, want one that b was not told of")
				}
				s.setDeaf("b", false)
				pass(leaseTime / 5)
				check(t, "after b is answered", a, "a", "b")
				check(t, "itself", b, "a", "b")
				if got := b.lease(); got != first.UID {
					t.Errorf("got Lease %s, want %s still", got, first.UID)
				}
				a.stop()
				b.stop()
			})
		})
	}
}

// TestLeaseAllCutOff has an API server that nobody reaches for long: nobody is judged for what he could not do.
func TestLeaseAllCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		first := []types.UID{a.lease(), b.lease()}
		s.setCut("a", true)
		s.setCut("b", true)
		pass(10 * leaseTime)
		s.setCut("a", false)
		pass(leaseTime / 2) // b is slower to notice
		s.setCut("b", false)
		pass(leaseTime / 2)
		if got := []types.UID{a.lease(), b.lease()}; !slices.Equal(got, first) {
			t.Errorf("got Leases %v, want %v still", got, first)
		}
		a.stop()
		b.stop()
	})
}

func TestLeaseTellsOfHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		v, _ := a.View()
		a.HandedOver(v)
		pass(time.Second)
		seen, _ := b.View()
		if got, want := seen.Others[0].Handed, []string{string(b.lease())}; !slices.Equal(got, want) {
			t.Errorf("got %v in a's Lease, want b's %v", got, want)
		}
		a.stop()
		b.stop()
	})
}

func TestLeaseTellsOfAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		pass(time.Second)
		seen, _ := b.View()
		if got, want := []string{seen.Self.API, seen.Others[0].API}, []string{"b.example:8443", "a.example:8443"}; !slices.Equal(got, want) {
			t.Errorf("got addresses %v, want %v", got, want)
		}
		a.stop()
		b.stop()
	})
}

// TestLeaseOfEarlierLife has a process that is restarted within the duration: its Lease was never lost.
func TestLeaseOfEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		b := join(t, s, "b")
		pass(time.Second)
		first := b.lease()
		b.stop()
		b = join(t, s, "b")
		pass(time.Second)
		if got := b.lease(); got != first {
			t.Errorf("got Lease %s, want %s", got, first)
		}
		b.stop()
	})
}

// TestLeaseLateRenewalWins has a cache that is behind: the deletion is refused.
func TestLeaseLateRenewalWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newLeaseServer()
		b := join(t, s, "b")
		pass(time.Second)
		old := s.stored("epilogue-b").DeepCopy()
		pass(leaseTime)
		err := b.remove(t.Context(), old.Name, metav1.Preconditions{UID: &old.UID, ResourceVersion: &old.ResourceVersion})
		if !apierrors.IsConflict(err) || s.stored("epilogue-b") == nil {
			t.Errorf("got error %v, want a conflict and the Lease still there", err)
		}
		b.stop()
	})
}
