package watch

import "k8s.io/apimachinery/pkg/types"

// unsealed are the pods that are known and not sealed yet, by themselves and by their Jobs: with a hundred thousand of them at
// a start, nobody can look through all to answer for one Job.
type unsealed struct {
	pods  map[types.UID]*pod
	ofJob map[types.UID]map[types.UID]*pod
}

func newUnsealed() unsealed {
	return unsealed{map[types.UID]*pod{}, map[types.UID]map[types.UID]*pod{}}
}

func (u unsealed) get(uid types.UID) *pod { return u.pods[uid] }

// put adds a pod. Which Job it belongs to must be known, and never changes.
func (u unsealed) put(uid types.UID, p *pod) {
	u.pods[uid] = p
	job := jobUID(p.ref())
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
	job := jobUID(p.ref())
	if delete(u.ofJob[job], uid); len(u.ofJob[job]) == 0 {
		delete(u.ofJob, job)
	}
}
