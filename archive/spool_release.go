package archive

// Release forgets a pod that is not sealed and that another replica goes on with. Only after its logs were flushed into the
// journal, from where that one takes them.
func (s *Spool) Release(pod PodUID) error { return s.Drop(pod) }
