package watchtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// PodResource is how the tracker of a fake clientset calls pods.
var PodResource = corev1.SchemeGroupVersion.WithResource("pods")

// LeaseTime is for how long a Lease of the tests counts.
const LeaseTime = 15 * time.Second

// LeaseServer is the fake clientset with what of an API server Leases rest on: UIDs, versions, conflicts and
// preconditions.
type LeaseServer struct {
	*fake.Clientset
	mu      sync.Mutex
	version int             // guarded by mu
	cut     map[string]bool // guarded by mu; Leases whose holder cannot reach the server
	deaf    map[string]bool // guarded by mu; Leases whose holder is not answered when he writes them
	deletes []string        // guarded by mu; deletions that were refused
}

// NewLeaseServer makes one without any Lease.
func NewLeaseServer() *LeaseServer {
	s := &LeaseServer{Clientset: fake.NewClientset(), cut: map[string]bool{}, deaf: map[string]bool{}}
	s.PrependReactor("*", "leases", s.React)
	return s
}

// ErrCut is the answer to whoever cannot reach the server.
var ErrCut = errors.New("connection refused")

// React answers for the tracker where a Lease is asked for or written.
func (s *LeaseServer) React(action clienttesting.Action) (bool, runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch a := action.(type) {
	case clienttesting.UpdateAction: // a creation has the same methods
		lease := a.GetObject().(*coordinationv1.Lease)
		if s.cut[lease.Name] {
			return true, nil, ErrCut
		}
		there := s.Stored(lease.Name)
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
		there, wanted := s.Stored(a.GetName()), a.GetDeleteOptions().Preconditions
		if there != nil && (*wanted.UID != there.UID || wanted.ResourceVersion != nil && *wanted.ResourceVersion != there.ResourceVersion) {
			s.deletes = append(s.deletes, a.GetName())
			return true, nil, apierrors.NewConflict(leaseKind, a.GetName(), errors.New("precondition"))
		}
	case clienttesting.GetAction:
		if s.cut[a.GetName()] {
			return true, nil, ErrCut
		}
	}
	return false, nil, nil
}

// store writes a Lease and returns the error that its holder sees.
func (s *LeaseServer) store(verb string, lease *coordinationv1.Lease) error {
	resource := coordinationv1.SchemeGroupVersion.WithResource("leases")
	if verb == "create" {
		if s.Stored(lease.Name) != nil {
			return apierrors.NewAlreadyExists(leaseKind, lease.Name)
		}
		return errors.Join(ErrCut, s.Tracker().Create(resource, lease, lease.Namespace))
	}
	return errors.Join(ErrCut, s.Tracker().Update(resource, lease, lease.Namespace))
}

var leaseKind = coordinationv1.Resource("leases")

// Stored returns the Lease as the server has it, nil where it has none.
func (s *LeaseServer) Stored(name string) *coordinationv1.Lease {
	o, err := s.Tracker().Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), "system", name)
	if err != nil {
		return nil
	}
	return o.(*coordinationv1.Lease)
}

// SetCut says whether the replica can reach the server.
func (s *LeaseServer) SetCut(replica string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut["epilogue-"+replica] = cut
}

// SetDeaf says whether the answers to what the replica writes get lost.
func (s *LeaseServer) SetDeaf(replica string, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf["epilogue-"+replica] = deaf
}

// Pass lets time pass in a bubble.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
