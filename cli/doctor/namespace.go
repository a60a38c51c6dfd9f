package doctor

import (
	"context"

	"github.com/epilogue-dev/epilogue/cleanup"
)

// namespace looks whether that of the Jobs is being deleted: then nothing else that is missing there is a fault of the
// installation. Whoever may not ask is none the wiser.
func (v *visit) namespace(ctx context.Context) {
	if since, err := cleanup.Ending(ctx, v.Client, v.Namespace); err != nil || since == nil {
		return
	}
	v.goes = true
	do := "nothing: it goes by itself"
	if held := v.held(ctx); held {
		do = "the daemon's rights go with it, so it may never go by itself; to let its Jobs go: kubectl epilogue release --all -n " + v.Namespace
	}
	v.say(Bad, "namespace "+v.Namespace+" is being deleted, with what Epilogue has in it", do)
}

// held reports whether a Job of the namespace carries the gate, as far as the caller may know.
func (v *visit) held(ctx context.Context) bool {
	n, _, err := v.gated(ctx)
	return err == nil && n > 0
}
