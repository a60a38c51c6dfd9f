package archive_test

import (
	"errors"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestMessagesAreInOrderAndKeptOnce(t *testing.T) {
	store, ctx := storetest.NewMemory(t), t.Context()
	at := time.Date(2026, 11, 24, 6, 0, 0, 9, time.UTC)
	later := archive.Message{Workload: "w", Time: at.Add(time.Nanosecond), Text: "Pipeline run started successfully.\nÄ \x00"}
	first := archive.Message{Workload: "w", Time: at, Text: "Starting pipeline run."}
	for _, m := range []archive.Message{later, first, later, {Workload: "w2", Time: at, Text: "other"}} {
		if err := archive.PutMessage(ctx, store, m); err != nil {
			t.Fatal(err)
		}
	}
	got, err := archive.Messages(ctx, store, "w")
	if err != nil || len(got) != 2 || got[0].Text != first.Text || got[1].Text != later.Text || !got[1].Time.Equal(later.Time) {
		t.Errorf("got %+v, %v, want two in order", got, err)
	}
	if got, err := archive.Messages(ctx, store, "nobody"); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want none", got, err)
	}
}

// A put that fails, whether or not the message is there, is repeated by its sender and makes no second message.
func TestMessageIsPutTwice(t *testing.T) {
	trouble := errors.New("trouble")
	for name, effect := range map[string]storetest.Effect{"not stored": storetest.NotStored(trouble), "stored": storetest.Stored(trouble)} {
		t.Run(name, func(t *testing.T) {
			store, ctx := &storetest.Faulty{Store: storetest.NewMemory(t)}, t.Context()
			store.Break(storetest.Fault{Op: storetest.OpPut, Effect: effect, Times: 1})
			m := archive.Message{Workload: "w", Time: time.Unix(0, 1), Text: "x"}
			if err := archive.PutMessage(ctx, store, m); !errors.Is(err, trouble) {
				t.Errorf("got %v, want the store's trouble", err)
			}
			if err := archive.PutMessage(ctx, store, m); err != nil {
				t.Error(err)
			}
			if got, err := archive.Messages(ctx, store, "w"); err != nil || len(got) != 1 {
				t.Errorf("got %v, %v, want one", got, err)
			}
			store.VerifyAllFired(t)
		})
	}
}
