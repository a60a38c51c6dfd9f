package lease

import (
	"hash/fnv"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Owner returns the replica that owns a Job and its pods, of those that are live: the one with the highest rendezvous
// hash. One that joins takes 1/N of the Jobs and one that leaves gives its own away; no other Job moves. Every replica
// and every version must compute the same, so the hash is part of the protocol.
func Owner(job types.UID, live []string) string {
	owner, highest := "", uint64(0)
	for _, replica := range live {
		weight := rendezvous(replica, job)
		if owner == "" || weight > highest || weight == highest && replica < owner {
			owner, highest = replica, weight
		}
	}
	return owner
}

func rendezvous(replica string, job types.UID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(replica))
	_, _ = h.Write([]byte{0}) // in no name, so that no two pairs read the same
	_, _ = h.Write([]byte(job))
	// FNV leaves the high bits of short texts alike, and those decide here. These are splitmix64's last steps.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Roster is who was live at a time, as one replica saw it. The zero value owns nothing.
type Roster struct {
	Self string
	Live []string // sorted, with self
}

// Owns reports whether the replica that saw the roster owns the Job by it.
func (r Roster) Owns(job types.UID) bool { return r.Self != "" && Owner(job, r.Live) == r.Self }

// Lacks reports whether one of the other roster is not in this one.
func (r Roster) Lacks(other Roster) bool {
	return slices.ContainsFunc(other.Live, func(replica string) bool { return !slices.Contains(r.Live, replica) })
}

// Is reports whether the two rosters say the same.
func (r Roster) Is(other Roster) bool {
	return r.Self == other.Self && slices.Equal(r.Live, other.Live)
}

// OwnerOf returns the live replica that owns a Job and its pods. A replica whose own Lease is not held still names the
// one of the others that has its Jobs now.
func (v View) OwnerOf(job types.UID) (owner Member, ok bool) {
	members := v.Others
	if v.Self.Lease != "" {
		members = append([]Member{v.Self}, members...)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.Replica)
	}
	name := Owner(job, names)
	i := slices.IndexFunc(members, func(m Member) bool { return m.Replica == name })
	if i < 0 {
		return Member{}, false
	}
	return members[i], true
}
