package process

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Stage is a part of what runs. Its Run returns once its context has ended, and all that it started with it.
type Stage struct {
	Name   string
	Before func(ctx context.Context) // nil: nothing; it is done before this stage and those behind it begin
	Run    func(ctx context.Context) error
}

// InStages runs the stages at once. The last one is told by the context to stop, each other one when all behind it have
// stopped: what a stage needs of one before it is there until its end. stopping is told of each that is about to stop;
// nil: nobody is. The errors of all are returned, those of the last stage first.
func InStages(ctx context.Context, stages []Stage, stopping func(stage string)) error {
	first, behind := stages[0], stages[1:]
	if first.Before != nil {
		first.Before(ctx)
	}
	if len(behind) == 0 {
		return first.Run(ctx)
	}
	held, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var one errgroup.Group
	one.Go(func() error { return first.Run(held) })
	err := InStages(ctx, behind, stopping)
	if stopping != nil {
		stopping(first.Name)
	}
	stop()
	return errors.Join(err, one.Wait())
}

// Together runs parts that need nothing of each other's ends, and returns the first error.
func Together(parts ...func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var all errgroup.Group
		for _, run := range parts {
			all.Go(func() error { return run(ctx) })
		}
		return all.Wait()
	}
}

// AtEnd does what is to be done only when the stage is told to stop.
func AtEnd(do func(ctx context.Context)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		do(context.WithoutCancel(ctx))
		return nil
	}
}
