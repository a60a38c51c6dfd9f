package main

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"
)

// stage is a part of what runs. It returns once its context has ended, and all that it started with it.
type stage struct {
	name   string
	before func(ctx context.Context) // nil: nothing; it is done before this stage and those behind it begin
	run    func(ctx context.Context) error
}

// inStages runs the stages at once. The last one is told by the context to stop, each other one when all behind it have stopped: what
// a stage needs of one before it is there until its end. It returns the first error of the stage that is nearest to the last.
func inStages(ctx context.Context, stages []stage, log *slog.Logger) error {
	first, behind := stages[0], stages[1:]
	if first.before != nil {
		first.before(ctx)
	}
	if len(behind) == 0 {
		return first.run(ctx)
	}
	held, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var one errgroup.Group
	one.Go(func() error { return first.run(held) })
	err := inStages(ctx, behind, log)
	log.Debug("a stage stops", "stage", first.name)
	stop()
	if own := one.Wait(); err == nil {
		err = own
	}
	return err
}

// together runs parts that need nothing of each other's ends.
func together(parts ...func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var all errgroup.Group
		for _, run := range parts {
			all.Go(func() error { return run(ctx) })
		}
		return all.Wait()
	}
}

// atEnd does what is to be done only when the stage is told to stop.
func atEnd(do func(ctx context.Context)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		do(context.WithoutCancel(ctx))
		return nil
	}
}
