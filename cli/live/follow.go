package live

import (
	"bytes"
	"context"
	"sync"

	"github.com/epilogue-dev/epilogue/archive"
)

// atOnce follows several logs at once. Each has a goroutine, which ends with its log or with the range over the answer.
func (r *reading) atOnce(ctx context.Context, logs []archive.LogStatus, yield func(archive.Entry, error) bool) {
	type got struct {
		entry archive.Entry
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	lines := make(chan got)
	var readers sync.WaitGroup
	for i := range logs {
		readers.Go(func() {
			for e, err := range r.entries(ctx, &logs[i].Instance) {
				e.Text = bytes.Clone(e.Text)
				select {
				case lines <- got{e, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		readers.Wait()
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		select {
		case l := <-lines:
			if !r.give(l.entry, l.err, yield) {
				return
			}
		case <-ended:
			return
		}
	}
}
