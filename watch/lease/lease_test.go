package lease

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/watch/watchtest"
)

func TestLeaseJoinAndRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a := join(t, s, "a")
		watchtest.Pass(time.Second)
		check(t, "alone", a, "a")
		b := join(t, s, "b")
		watchtest.Pass(time.Second)
		check(t, "after b joined", a, "a", "b")
		check(t, "after b joined", b, "a", "b")
		watchtest.Pass(10 * watchtest.LeaseTime)
		check(t, "in peace", a, "a", "b")
		b.stop()
		if err := b.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		watchtest.Pass(time.Second)
		check(t, "after b has left", a, "a")
		a.stop()
	})
}

func TestLeaseLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
		b.stop()
		watchtest.Pass(watchtest.LeaseTime * 9 / 10 * 2 / 3)
		check(t, "while b may come back", a, "a", "b")
		watchtest.Pass(watchtest.LeaseTime)
		check(t, "after b has lapsed", a, "a")
		if s.Stored("epilogue-b") != nil {
			t.Error("got a Lease of b, want it deleted, so that b learns of it")
		}
		a.stop()
	})
}

// TestLeaseCutOff has a replica that cannot renew: it has stopped before another one may act in its place, and knows
// afterwards that it was replaced.
func TestLeaseCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
		first := b.lease()
		s.SetCut("b", true)
		stopped := time.Duration(0)
		for at := time.Duration(0); at < 2*watchtest.LeaseTime; at += 100 * time.Millisecond {
			watchtest.Pass(100 * time.Millisecond)
			if stopped == 0 && b.lease() == "" {
				stopped = at
			}
			if len(a.sees()) == 1 {
				if stopped == 0 || at-stopped < watchtest.LeaseTime/5 {
					t.Errorf("a acts for b after %s, and b has stopped after %s, want that well before", at, stopped)
				}
				break
			}
		}
		check(t, "after b was cut off", a, "a")
		check(t, "itself", b)
		s.SetCut("b", false)
		watchtest.Pass(watchtest.LeaseTime / 5)
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
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
		first := b.lease()
		s.SetCut("b", true)
		watchtest.Pass(watchtest.LeaseTime * 7 / 10)
		check(t, "itself", b)
		s.SetCut("b", false)
		watchtest.Pass(watchtest.LeaseTime / 5)
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
				s := watchtest.NewLeaseServer()
				a := join(t, s, "a")
				watchtest.Pass(time.Second)
				s.SetDeaf("b", before == 0)
				b := join(t, s, "b")
				watchtest.Pass(before)
				s.SetDeaf("b", true)
				watchtest.Pass(watchtest.LeaseTime / 2)
				first := s.Stored("epilogue-b")
				if first == nil {
					t.Fatal("got no Lease of b, want one that b was not told of")
				}
				s.SetDeaf("b", false)
				watchtest.Pass(watchtest.LeaseTime / 5)
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
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
		first := []types.UID{a.lease(), b.lease()}
		s.SetCut("a", true)
		s.SetCut("b", true)
		watchtest.Pass(10 * watchtest.LeaseTime)
		s.SetCut("a", false)
		watchtest.Pass(watchtest.LeaseTime / 2) // b is slower to notice
		s.SetCut("b", false)
		watchtest.Pass(watchtest.LeaseTime / 2)
		if got := []types.UID{a.lease(), b.lease()}; !slices.Equal(got, first) {
			t.Errorf("got Leases %v, want %v still", got, first)
		}
		a.stop()
		b.stop()
	})
}

func TestLeaseTellsOfHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
		v, _ := a.View()
		a.HandedOver(v)
		watchtest.Pass(time.Second)
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
		s := watchtest.NewLeaseServer()
		a, b := join(t, s, "a"), join(t, s, "b")
		watchtest.Pass(time.Second)
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
		s := watchtest.NewLeaseServer()
		b := join(t, s, "b")
		watchtest.Pass(time.Second)
		first := b.lease()
		b.stop()
		b = join(t, s, "b")
		watchtest.Pass(time.Second)
		if got := b.lease(); got != first {
			t.Errorf("got Lease %s, want %s", got, first)
		}
		b.stop()
	})
}

// TestLeaseLateRenewalWins has a cache that is behind: the deletion is refused.
func TestLeaseLateRenewalWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchtest.NewLeaseServer()
		b := join(t, s, "b")
		watchtest.Pass(time.Second)
		old := s.Stored("epilogue-b").DeepCopy()
		watchtest.Pass(watchtest.LeaseTime)
		err := b.remove(t.Context(), old.Name, metav1.Preconditions{UID: &old.UID, ResourceVersion: &old.ResourceVersion})
		if !apierrors.IsConflict(err) || s.Stored("epilogue-b") == nil {
			t.Errorf("got error %v, want a conflict and the Lease still there", err)
		}
		b.stop()
	})
}
