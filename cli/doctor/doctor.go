// Package doctor looks for what keeps Epilogue from its work: rights that are missing, a daemon that is not well, Jobs
// that hang on the gate, clocks that differ, a store that cannot do what is needed. Each finding says what to do.
//
// It reads, and asks the API server about rights; it changes nothing but that the check of a store puts and removes an
// object under v1/_probe/. It reads no environment.
package doctor

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/epilogue-dev/epilogue/archive"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Good Level = "ok"
	Note Level = "note" // worth knowing, or not known
	Warn Level = "warn" // something works less well than it could
	Bad  Level = "bad"  // something does not work
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level
	What  string // what was found
	Do    string // what to do about it; "" where there is nothing to do
}

// Config says what is looked at.
type Config struct {
	Client    kubernetes.Interface
	REST      *rest.Config  // of the same user
	Namespace string        // whose Jobs are kept
	Daemon    string        // the daemon's namespace; "": looked for
	Name      string        // app.kubernetes.io/name of the daemon
	Version   string        // of this program
	Store     archive.Store // nil: not looked at
	Now       func() time.Time
}

// callTimeout bounds one question.
const callTimeout = 20 * time.Second

// visit is one run.
type visit struct {
	Config
	tell func(Finding)
	pods []daemonPod
	goes bool // the namespace of the Jobs is being deleted
}

// Visit looks at everything and tells each finding as it comes. It ends early only with its context.
func Visit(ctx context.Context, cfg Config, tell func(Finding)) error {
	v := &visit{Config: cfg, tell: tell}
	steps := []func(context.Context){v.apiServer, v.namespace, v.findDaemon, v.daemon, v.ownRights, v.daemonRights, v.gate, v.store}
	for _, step := range steps {
		within, cancel := context.WithTimeout(ctx, callTimeout)
		step(within)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (v *visit) good(format string, args ...any) {
	v.tell(Finding{Good, fmt.Sprintf(format, args...), ""})
}

func (v *visit) say(level Level, what, do string) { v.tell(Finding{level, what, do}) }
