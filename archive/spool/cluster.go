package spool

// BelongTo sets which cluster the spool's logs are of: by the UID of its namespace kube-system. It stands in everything
// that is written of them, so that clusters which share a bucket and a prefix leave what is each other's alone: a pod
// of another cluster is in no cache here, and would be sealed as one that is gone. "": not known, and what others wrote
// cannot be told from ours, as what was written before there was this word. Before anything else is called.
func (s *Spool) BelongTo(cluster string) { s.Cluster = cluster }

// IsForeign reports whether something was written for another cluster, and says it in the log for the first of each.
func (s *Spool) IsForeign(cluster string) bool {
	if cluster == "" || s.Cluster == "" || cluster == s.Cluster {
		return false
	}
	if _, known := s.foreign.LoadOrStore(cluster, true); !known {
		s.log.Warn("another cluster keeps its logs under the same prefix; they are left alone", "cluster", cluster, "own", s.Cluster)
	}
	return true
}
