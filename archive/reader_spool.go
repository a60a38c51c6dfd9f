package archive

// draftRef is what a pod in the spool is found by.
type draftRef struct {
	PodRef
	workloads []string
}

// drafts gives the pods that the spool holds anything of, in no order.
func (s *Spool) drafts() []draftRef {
	pods, err := s.Pods()
	if err != nil {
		s.log.Error("list spool for a reader", "err", err)
		return nil
	}
	refs := make([]draftRef, 0, len(pods))
	for _, uid := range pods {
		if ref, ok := s.draftRef(uid); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

// draftRef gives whose pod it is; ok is false where nothing says so.
func (s *Spool) draftRef(uid PodUID) (ref draftRef, ok bool) {
	if known, found := s.refs.Load(uid); found {
		return known.(draftRef), true
	}
	if m, err := s.Draft(uid); err == nil {
		s.remember(&m.Manifest)
		return draftRef{m.Pod.PodRef, m.Workloads}, true
	}
	for _, l := range s.Logs(uid) {
		return draftRef{PodRef: l.instance.PodRef}, true
	}
	return draftRef{}, false
}

// remember keeps whose pod a draft is of, and tells those who wait for such a pod.
func (s *Spool) remember(m *Manifest) {
	if _, known := s.refs.Swap(m.Pod.PodUID, draftRef{m.Pod.PodRef, m.Workloads}); !known {
		s.announce(m.Pod.PodRef, m.Workloads)
	}
}
