package archive

import (
	"cmp"
	"hash/fnv"
	"time"
)

// Mark says which pods of an answer were given to their ends, in few words however many they are: those up to one of
// them, in the order in which pods come, that had been sealed by some time, but for some. With it, and with the last
// lines of the logs of other pods, an answer is gone on with.
type Mark struct {
	PodKey
	Sealed time.Time // when the one of them was sealed that was sealed last
	Pods   int64     // how many they are
	Sum    uint64    // of the hashes of their UIDs: what is found when the answer is gone on with must be the same
	Except []PodUID  // of those up to there: are not at their ends
}

// PodKey is what pods are ordered by.
type PodKey struct {
	Job, Pod int64 // when its Job and it were made, ns since 1970; 0: not known
	Name     string
	UID      PodUID
}

// Compare orders pods as an answer gives them: by the time at which their Job was made, by that at which they were,
// then by name and UID, so that two pods are never equal.
func (k PodKey) Compare(o PodKey) int {
	if made := cmp.Or(cmp.Compare(k.Job, o.Job), cmp.Compare(k.Pod, o.Pod)); made != 0 {
		return made
	}
	return cmp.Or(cmp.Compare(k.Name, o.Name), cmp.Compare(k.UID, o.UID))
}

// HashOf returns a hash of a pod's UID that is the same in every process and version, as it stands in marks that
// clients keep.
func HashOf(uid PodUID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid)) // it has no error
	return h.Sum64()
}
