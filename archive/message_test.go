package archive_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestMessagesAreInOrderAndKeptOnce(t *testing.T) {
	store, ctx := storetest.NewMemory(t), t.Context()
	at := time.Date(2026, 11, 24, 6, 0, 0, 9, time.UTC)
	later := archive.Message{Namespace: "jobs", Workload: "w", Time: at.Add(time.Nanosecond), Text: "Pipeline run started successfully.\nÄ \x00"}
	first := archive.Message{Namespace: "jobs", Workload: "w", Time: at, Text: "Starting pipeline run."}
	for _, m := range []archive.Message{later, first, later, {Namespace: "jobs", Workload: "w2", Time: at, Text: "other"}} {
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
			m := archive.Message{Namespace: "jobs", Workload: "w", Time: time.Unix(0, 1), Text: "x"}
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

// The retention takes the old messages of its own namespace.
func TestRetentionOfMessages(t *testing.T) {
	s := newShelf(t)
	store, ctx := s.faulty, t.Context()
	now := time.Now()
	for namespace, age := range map[string]time.Duration{"jobs": 0, "other": 72 * time.Hour} {
		for _, m := range []archive.Message{
			{Namespace: namespace, Workload: "w", Time: now.Add(-age), Text: "young in " + namespace},
			{Namespace: namespace, Workload: "w", Time: now.Add(-49 * time.Hour), Text: "old in " + namespace},
		} {
			if err := archive.PutMessage(ctx, store, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := archive.NewRetention(archive.RetentionConfig{Namespace: "jobs", After: 48 * time.Hour}, store, s.journal(), slog.New(slog.DiscardHandler))
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	left, err := archive.Messages(ctx, store, "w")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range left {
		got = append(got, m.Text)
	}
	if want := "[young in other old in other young in jobs]"; fmt.Sprint(got) != want {
		t.Errorf("got %v left, want %s", got, want)
	}
}
