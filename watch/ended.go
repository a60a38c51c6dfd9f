package watch

import "errors"

// runs says that the instance runs and that the API serves its log. A pod that was deleted by force is gone while its
// last known state still says that it runs; and nobody reports the end of a container whose node is lost, though its
// pod is marked as over.
func (s Sight) runs() bool {
	return !s.Gone && s.Running && s.Current && !s.over()
}

// ended says that nothing more will be written: somebody has reported the instance's end, or that of its pod. One that
// is created and was not started yet has not ended, however quiet it is.
func (s Sight) ended() bool { return s.Terminated != nil || s.over() }

// ended ends a log that was read until nothing more came. Where nobody has reported the container's end, what it wrote
// last may still be on its way.
func (p *proof) ended(seen Sight) error {
	if seen.Terminated != nil {
		return p.follower.proven()
	}
	p.err = errors.New("the pod is over, and nobody has reported the container's end")
	return p.unproven(seen)
}
