package try

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/read"
	"github.com/epilogue-dev/epilogue/archive/seal"
	"github.com/epilogue-dev/epilogue/archive/spool"
	"github.com/epilogue-dev/epilogue/archive/takeover"
	"github.com/epilogue-dev/epilogue/process"
	"github.com/epilogue-dev/epilogue/watch"
)

// Which lines are shown.
const (
	LinesNew  = "new"  // of pods that had not ended before the trial began
	LinesAll  = "all"  // of every pod
	LinesNone = "none" // none; events and verdicts are shown all the same
)

// Config says what a trial does.
type Config struct {
	Namespace string
	Server    string // URL of the API server
	Selector  string // of the Jobs; "": all
	Lines     string // LinesNew, LinesAll or LinesNone
	For       time.Duration
	UntilIdle bool // end once every Job has ended, or is suspended, and is archived
}

// Parts are what a trial works with. It runs them, and none but these.
type Parts struct {
	Watcher *watch.Watcher
	Spool   *spool.Spool
	Sealer  *seal.Sealer
	Journal *takeover.Taker
	Reader  *read.Reader
	Screen  *Screen
	Folder  *Folder
	File    func(archive.Key) string // where the object of that key is
}

// Run archives and shows until the context ends, the time is over or nothing is left to wait for. It stops as the
// daemon does, in the order in which each part's last words go to the next: followers, spool, journal. What is open
// then can be read from the journal, and the next trial in the folder goes on with it.
func Run(ctx context.Context, cfg Config, p Parts) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if cfg.For > 0 {
		defer time.AfterFunc(cfg.For, stop).Stop()
	}
	b := newBoard(cfg, p.Watcher, p.Reader, p.Screen)
	p.Watcher.Listen(b.notice)
	p.Watcher.ListenSettled(func(job types.UID, _ bool) { b.settle(job) })
	p.Screen.Plain(head(cfg, p.Folder)...)

	err := process.InStages(ctx, []process.Stage{
		{Name: "journal", Run: p.runJournal},
		{Name: "flusher", Run: p.Spool.Run},
		{Name: "work", Run: process.Together(
			func(ctx context.Context) error { return over(ctx, p.Watcher.Run(ctx)) },
			func(ctx context.Context) error { _, err := p.Sealer.Probe(ctx); return over(ctx, err) },
			func(ctx context.Context) error { b.run(ctx, stop); return nil },
		)},
	}, nil)
	p.Screen.Plain(b.end(p.Folder, p.File)...)
	return errors.Join(err, p.Screen.Err())
}

// runJournal says of a last object that could not be written what that means.
func (p *Parts) runJournal(ctx context.Context) error {
	if err := p.Journal.Run(ctx); err != nil {
		return fmt.Errorf("%w; the next trial in %s goes on with what it lacks", err, p.Folder.Archive)
	}
	return nil
}

// over: that somebody has ended the trial is no error.
func over(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
