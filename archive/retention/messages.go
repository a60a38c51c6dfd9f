package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// sweepMessages deletes the messages of before the cutoff, and those that claim to be of the future and would never be.
// They lead nowhere, and nothing leads to them.
func (r *Retention) sweepMessages(ctx context.Context, cutoff time.Time) error {
	var old []archive.Key
	future := time.Now().Add(24 * time.Hour) // more than clocks differ
	for object, err := range r.store.List(ctx, archive.MessagePrefix, "") {
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		namespace, at, ok := archive.SplitMessageKey(object.Key)
		if ok && (at.Before(cutoff) || at.After(future)) && (r.cfg.Namespace == "" || r.cfg.Namespace == namespace) {
			old = append(old, object.Key)
		}
		if len(old) == messagesAtOnce {
			if err := r.deleteMessages(ctx, old); err != nil {
				return err
			}
			old = nil
		}
	}
	return r.deleteMessages(ctx, old)
}

const messagesAtOnce = 500

func (r *Retention) deleteMessages(ctx context.Context, keys []archive.Key) error {
	if len(keys) == 0 {
		return nil
	}
	if err := r.store.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("delete messages: %w", err)
	}
	r.counts.objects.Add(int64(len(keys)))
	return nil
}
