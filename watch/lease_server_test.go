package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const leaseTime = 15 * time.Second

// leaseServer is the fake clientset with what of an API server Leases rest on: UIDs, versions, conflicts and preconditions.
type leaseServer struct {
	*fake.Clientset
	mu      sync.Mutex
	version int             // guarded by mu
	cut     map[string]bool // guarded by mu; Leases whose holder cannot reach the server
	deaf    map[string]bool // guarded by mu; Leases whose holder is not answered when he writes them
	deletes []string        // guarded by mu; deletions that were refused
}

func newLeaseServer() *leaseServer {
	s := &leaseServer{Clientset: fake.NewClientset(), cut: map[string]bool{}, deaf: map[string]bool{}}
	s.PrependReactor("*", "leases", s.react)
	return s
}

var errCut = errors.New("connection refused")

func (s *leaseServer) react(action clienttesting.Action) (bool, runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch a := action.(type) {
	case clienttesting.UpdateAction: // a creation has the same methods
		lease := a.GetObject().(*coordinationv1.Lease)
		if s.cut[lease.Name] {
			return true, nil, errCut
		}
		there := s.stored(lease.Name)
		switch {
		case action.GetVerb() == "create":
			lease.UID = types.UID(fmt.Sprintf("uid-%d", s.version))
		case there != nil && there.ResourceVersion != lease.ResourceVersion:
			return true, nil, apierrors.NewConflict(leaseKind, lease.Name, errors.New("it was changed"))
		}
		s.version++
		lease.ResourceVersion = strconv.Itoa(s.version)
		if s.deaf[lease.Name] {
			return true, nil, s.store(action.GetVerb(), lease.DeepCopy())
		}
	case clienttesting.DeleteAction:
		there, wanted := s.stored(a.GetName()), a.GetDeleteOptions().Preconditions
		if there != nil && (*wanted.UID != there.UID || wanted.ResourceVersion != nil && *wanted.ResourceVersion != there.ResourceVersion) {
			s.deletes = append(s.deletes, a.GetName())
			return true, nil, apierrors.NewConflict(leaseKind, a.GetName(), errors.New("precondition"))
		}
	case clienttesting.GetAction:
		if s.cut[a.GetName()] {
			return true, nil, errCut
		}
	}
	return false, nil, nil
}

// store writes a Lease and gives the error that its holder sees.
func (s *leaseServer) store(verb string, lease *coordinationv1.Lease) error {
	resource := coordinationv1.SchemeGroupVersion.WithResource("leases")
	if verb == "create" {
		if s.stored(lease.Name) != nil {
			return apierrors.NewAlreadyExists(leaseKind, lease.Name)
		}
		return errors.Join(errCut, s.Tracker().Create(resource, lease, lease.Namespace))
	}
	return errors.Join(errCut, s.Tracker().Update(resource, lease, lease.Namespace))
}

var leaseKind = coordinationv1.Resource("leases")

func (s *leaseServer) stored(name string) *coordinationv1.Lease {
	o, err := s.Tracker().Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), "system", name)
	if err != nil {
		return nil
	}
	return o.(*coordinationv1.Lease)
}

func (s *leaseServer) setCut(replica string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut["epilogue-"+replica] = cut
}

func (s *leaseServer) setDeaf(replica string, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf["epilogue-"+replica] = deaf
}

// member is one replica's Leases at work.
type member struct {
	*Leases
	stop func()
}

func join(t *testing.T, s *leaseServer, replica string) *member {
	t.Helper()
	return joinAs(t, s, LeaseConfig{Namespace: "system", Group: "epilogue", Replica: replica, Duration: leaseTime, API: replica + ".example:8443"})
}

func joinAs(t *testing.T, s *leaseServer, cfg LeaseConfig) *member {
	t.Helper()
	l, err := NewLeases(cfg, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	m := &member{l, func() { cancel(); <-done }}
	t.Cleanup(m.stop)
	return m
}

// sees gives who is live in the eyes of a replica.
func (m *member) sees() []string {
	v, _ := m.View()
	return v.roster().live
}

func (m *member) lease() types.UID {
	v, _ := m.View()
	return v.Self.Lease
}

// pass lets time pass in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func check(t *testing.T, what string, m *member, want ...string) {
	t.Helper()
	if got := m.sees(); !slices.Equal(got, want) {
		t.Errorf("%s: %s sees %v, want %v", what, m.cfg.Replica, got, want)
	}
}
