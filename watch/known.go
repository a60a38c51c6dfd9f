package watch

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// unsealed are the pods that are known and not sealed yet, by themselves and by their Jobs: with a hundred thousand of
// them at a start, nobody can look through all to answer for one Job.
type unsealed struct {
	pods  map[types.UID]*pod
	ofJob map[types.UID]map[types.UID]*pod
	uids  *uidSet // the keys of pods, for who must not wait for whoever has these
}

func newUnsealed() unsealed {
	return unsealed{map[types.UID]*pod{}, map[types.UID]map[types.UID]*pod{}, &uidSet{all: map[types.UID]struct{}{}}}
}

// uidSet is a set of UIDs with a lock under which nothing else is done.
type uidSet struct {
	mu  sync.Mutex
	all map[types.UID]struct{} // guarded by mu
}

func (s *uidSet) has(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all[uid]
	return ok
}

func (s *uidSet) set(uid types.UID, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.all, uid); in {
		s.all[uid] = struct{}{}
	}
}

func (u unsealed) get(uid types.UID) *pod { return u.pods[uid] }

// put adds a pod, or files it anew where another Job has adopted it.
func (u unsealed) put(uid types.UID, p *pod) {
	job := jobUID(p.ref())
	if u.pods[uid] == p && p.filed == job {
		return
	}
	u.drop(uid)
	u.pods[uid], p.filed = p, job
	u.uids.set(uid, true)
	if u.ofJob[job] == nil {
		u.ofJob[job] = map[types.UID]*pod{}
	}
	u.ofJob[job][uid] = p
}

func (u unsealed) drop(uid types.UID) {
	p := u.pods[uid]
	if p == nil {
		return
	}
	delete(u.pods, uid)
	u.uids.set(uid, false)
	if delete(u.ofJob[p.filed], uid); len(u.ofJob[p.filed]) == 0 {
		delete(u.ofJob, p.filed)
	}
}
