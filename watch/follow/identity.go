package follow

import (
	"context"
	"errors"
	"time"

	"github.com/epilogue-dev/epilogue/pause"
	"github.com/epilogue-dev/epilogue/watch/pods"
)

// errOther: the answer may be another instance's log. Nothing of it was kept.
var errOther = errors.New("the answer may be of another instance")

// statusLag is how far the API's status may be behind the kubelet, which picks the log by its own.
const statusLag = 250 * time.Millisecond

// answer is one answer that is being read.
type answer struct {
	Request
	opened time.Time
	mine   bool // it is known to be this instance's

	first  int64         // the time of its first line; 0: none came
	last   time.Time     // when it brought something last; zero: it has not
	began  time.Time     // when the first bytes of its next line came
	silent time.Duration // how long nothing had come before that, or while its line came
	judged bool          // a new line of this reading was looked at for what since may hide
	fresh  bool          // or one of another reading
	begun  bool          // its first line was looked at for being the rest of a held one
	// where its first line begins in that one, if it is
	seam    seam
	grafted bool
}

// prove makes sure that the answer is this instance's, before anything of it is kept that the sentinel does not vouch
// for: the API addresses names, and right after a restart, or where a pod was made anew under its name, a name's
// log is another instance's. A pod that was looked at after the answer began, and that long after, can say so.
func (f *Follower) prove(ctx context.Context, a *answer) error {
	if a.mine || !f.ambiguous() {
		a.mine = true
		return nil
	}
	if early := statusLag - time.Since(a.opened); early > 0 && pause.For(ctx, early) != nil {
		return ctx.Err()
	}
	seen, err := f.look(ctx, true)
	if err != nil {
		return err
	}
	if seen.Gone || seen.Previous != a.Previous || !seen.Readable() {
		return errOther
	}
	a.mine = true
	return nil
}

// ambiguous: the container's name may mean another instance, now or in a moment. A name that was generated is never
// given twice.
func (f *Follower) ambiguous() bool {
	pod := f.seen.Pod
	return pod == nil || pod.GenerateName == "" || pods.Restarts(pod, f.log.Instance().Container)
}
