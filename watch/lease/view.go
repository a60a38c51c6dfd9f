package lease

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// View is who is live, as this replica sees it.
type View struct {
	Self   Member // zero: this replica must not act
	Others []Member
}

// Member is one live replica.
type Member struct {
	Replica string
	Lease   types.UID // another one after each lapse
	Handed  []string  // UIDs of the Leases to whose holders it has handed over, sorted
	API     string    // host:port of its API; "": it has none
}

func (m Member) is(o Member) bool {
	return m.Replica == o.Replica && m.Lease == o.Lease && m.API == o.API && slices.Equal(m.Handed, o.Handed)
}

func (v View) is(o View) bool {
	return v.Self.is(o.Self) && slices.EqualFunc(v.Others, o.Others, Member.is)
}

// Roster returns who is live, and the zero value while this replica must not act.
func (v View) Roster() Roster {
	if v.Self.Lease == "" {
		return Roster{}
	}
	live := []string{v.Self.Replica}
	for _, m := range v.Others {
		live = append(live, m.Replica)
	}
	slices.Sort(live)
	return Roster{Self: v.Self.Replica, Live: live}
}

func (v View) hasOther(replica string) bool {
	return slices.ContainsFunc(v.Others, func(m Member) bool { return m.Replica == replica })
}

// IsDead reports whether the replica is another one that is not live.
func (v View) IsDead(replica string) bool { return replica != v.Self.Replica && !v.hasOther(replica) }
