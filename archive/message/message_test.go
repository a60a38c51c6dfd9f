package message_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/archivetest"
	"github.com/epilogue-dev/epilogue/archive/message"
	"github.com/epilogue-dev/epilogue/archive/retention"
	"github.com/epilogue-dev/epilogue/archive/storetest"
)

func TestMessagesAreInOrderAndKeptOnce(t *testing.T) {
	store, ctx := storetest.NewMemory(t), t.Context()
	at := time.Date(2026, 11, 24, 6, 0, 0, 9, time.UTC)
	later := message.Message{Namespace: "jobs", Workload: "w", Time: at.Add(time.Nanosecond), Text: "Pipeline run started successfully.\nÄ \x00"}
	first := message.Message{Namespace: "jobs", Workload: "w", Time: at, Text: "Starting pipeline run."}
	for _, m := range []message.Message{later, first, later, {Namespace: "jobs", Workload: "w2", Time: at, Text: "other"}} {
		if err := message.Put(ctx, store, m); err != nil {
			t.Fatal(err)
		}
	}
	talk, err := message.Of(ctx, store, "w", "jobs")
	got := talk.Of
	if err != nil || talk.More || len(got) != 2 || got[0].Text != first.Text || got[1].Text != later.Text || !got[1].Time.Equal(later.Time) {
		t.Errorf("got %+v, %v, want two in order", got, err)
	}
	if got, err := message.Of(ctx, store, "nobody", "jobs"); err != nil || got.More || len(got.Of) != 0 {
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
			m := message.Message{Namespace: "jobs", Workload: "w", Time: time.Unix(0, 1), Text: "x"}
			if err := message.Put(ctx, store, m); !errors.Is(err, trouble) {
				t.Errorf("got %v, want the store's trouble", err)
			}
			if err := message.Put(ctx, store, m); err != nil {
				t.Error(err)
			}
			if got, err := message.Of(ctx, store, "w", "jobs"); err != nil || len(got.Of) != 1 {
				t.Errorf("got %v, %v, want one", got, err)
			}
			store.VerifyAllFired(t)
		})
	}
}

// The retention takes the old messages of its own namespace.
func TestRetentionOfMessages(t *testing.T) {
	s := archivetest.NewShelf(t)
	store, ctx := s.Faulty, t.Context()
	now := time.Now()
	for namespace, age := range map[string]time.Duration{"jobs": 0, "other": 72 * time.Hour} {
		for _, m := range []message.Message{
			{Namespace: namespace, Workload: "w", Time: now.Add(-age), Text: "young in " + namespace},
			{Namespace: namespace, Workload: "w", Time: now.Add(-49 * time.Hour), Text: "old in " + namespace},
			{Namespace: namespace, Workload: "w", Time: now.AddDate(100, 0, 0), Text: "to come in " + namespace},
		} {
			if err := message.Put(ctx, store, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := retention.New(retention.Config{Namespace: "jobs", After: 48 * time.Hour}, store, s.Journal(), slog.New(slog.DiscardHandler))
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	left, err := message.Of(ctx, store, "w", "jobs", "other")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range left.Of {
		got = append(got, m.Text)
	}
	if want := "[young in other old in other young in jobs to come in other]"; fmt.Sprint(got) != want {
		t.Errorf("got %v left, want %s", got, want)
	}
}

// Messages of other namespaces are not given, and what stands in the old place or cannot be read hides nothing.
func TestMessagesOfANamespace(t *testing.T) {
	store, ctx := storetest.NewMemory(t), t.Context()
	for i, namespace := range []string{"jobs", "secret"} {
		m := message.Message{Namespace: namespace, Workload: "w", Time: time.Unix(int64(10+i), 0), Text: "in " + namespace}
		if err := message.Put(ctx, store, m); err != nil {
			t.Fatal(err)
		}
	}
	for key, text := range map[archive.Key]string{
		"v1/_message/w/00000000000000000005.jobs.aaaaaa.json":        `{"version":"v1","namespace":"jobs","workload":"w","text":"old place"}`,
		"v1/_message/w/00000000000000000006.secret.aaaaaa.json":      `{"version":"v1","namespace":"secret","workload":"w","text":"elsewhere"}`,
		"v1/_message/jobs/w/00000000000000000007.jobs.aaaaaa.json":   `{"version":"v2","namespace":"jobs","workload":"w","text":"of a version to come"}`,
		"v1/_message/jobs/w/00000000000000000008.jobs.aaaaaa.json":   `half of a docu`,
		"v1/_message/jobs/w/00000000000000000009.jobs.aaaaaa.json":   `{"version":"v1","namespace":"secret","workload":"w","text":"in the wrong place"}`,
		"v1/_message/jobs/w/x/00000000000000000001.jobs.aaaaaa.json": `{"version":"v1","namespace":"jobs","workload":"w","text":"deeper"}`,
	} {
		if err := store.Put(ctx, key, strings.NewReader(text), archive.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	talk, err := message.Of(ctx, store, "w", "jobs")
	var got []string
	for _, m := range talk.Of {
		got = append(got, m.Text)
	}
	if want := "[old place in jobs]"; err != nil || !talk.More || fmt.Sprint(got) != want {
		t.Errorf("got %v, more %v, %v, want %s and more", got, talk.More, err, want)
	}
}

// However many there are, the newest are given, and of the others not a byte is read.
func TestMessagesAreBounded(t *testing.T) {
	store, ctx := storetest.NewMemory(t), t.Context()
	const most = 5000
	for i := range most + 3 {
		if err := message.Put(ctx, store, message.Message{Namespace: "jobs", Workload: "many", Time: time.Unix(int64(i), 0), Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	large := strings.Repeat("x", message.MaxMessage)
	for i := range 100 {
		if err := message.Put(ctx, store, message.Message{Namespace: "jobs", Workload: "large", Time: time.Unix(int64(i), 0), Text: large}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		workload    string
		count, last int64
	}{{"many", most, most + 2}, {"large", 63, 99}} { // 4 MiB with what is around the texts
		talk, err := message.Of(ctx, store, test.workload, "jobs")
		got := talk.Of
		if err != nil || !talk.More || int64(len(got)) != test.count || got[len(got)-1].Time.Unix() != test.last {
			t.Errorf("%s: got %d messages, more %v, %v, want the %d newest and more", test.workload, len(got), talk.More, err, test.count)
		}
	}
}
