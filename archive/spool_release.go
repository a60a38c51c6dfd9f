package archive

// Release forgets a pod that another replica goes on with: its logs are in the journal, and it is not sealed. So unlike Drop
// this says nothing about whether anybody still needs its frames there.
func (s *Spool) Release(pod PodUID) error { return s.Drop(pod) }
