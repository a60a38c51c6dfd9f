package message

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// Message is a line that somebody adds to a workload's log besides what its containers write. ZenML says in such lines
// where its own work on a run stands.
type Message struct {
	Version   string    `json:"version"`
	Namespace string    `json:"namespace"` // of the workload's Jobs
	Workload  string    `json:"workload"`
	Time      time.Time `json:"time"` // the sender's clock, nanoseconds
	Text      string    `json:"text"`
}

// MaxMessage bounds a message's text, in bytes.
const MaxMessage = 64 << 10

// Bounds of what one reading of a workload's messages looks at and keeps: anybody who may create Jobs may add any
// number of them.
const (
	mostMessages     = 5000
	mostMessageBytes = 4 << 20
	mostMessagesSeen = 20_000 // names in the listing of one namespace
	messagesTogether = 16
)

// Put keeps a message. Done again it changes nothing. A crash before it loses a message that nobody was told is kept.
func Put(ctx context.Context, store archive.Store, m Message) error {
	m.Version, m.Time = archive.FormatVersion, m.Time.UTC()
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message of workload %s: %w", m.Workload, err)
	}
	key := archive.MessageKey(m.Namespace, m.Workload, m.Time, m.Text)
	if err = archive.CheckKey(key); err == nil { // it is made of names which came from outside
		err = store.Put(ctx, key, bytes.NewReader(append(text, '\n')), archive.PutOptions{IfAbsent: true, ContentType: "application/json"})
	}
	if err != nil && !errors.Is(err, archive.ErrExists) {
		return fmt.Errorf("put message of workload %s: %w", m.Workload, err)
	}
	return nil
}

// Talk is what was said of a workload, oldest first. More says that there is more than that: too much, or what could
// not be read.
type Talk struct {
	Of   []Message
	More bool
}

// Memory is about how many bytes the messages take.
func (t *Talk) Memory() (bytes int64) {
	const message = 256 // besides its text
	for i := range t.Of {
		bytes += message + int64(len(t.Of[i].Text))
	}
	return bytes
}

// Of returns the newest messages of a workload in some namespaces. One that cannot be read, or is of a version that
// nobody here knows, is passed over: it must not hide the others, nor the log that they stand in.
func Of(ctx context.Context, store archive.Store, workload string, namespaces ...string) (Talk, error) {
	back, err := room.Of(ctx).Find(ctx)
	if err != nil {
		return Talk{}, err
	}
	defer back()
	keys, more, err := messageKeys(ctx, store, workload, namespaces)
	if err != nil {
		return Talk{}, fmt.Errorf("list messages of workload %s: %w", workload, err)
	}
	read := make([]*Message, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(messagesTogether)
	for i, key := range keys {
		group.Go(func() (err error) {
			read[i], err = readMessage(ctx, store, key)
			if errors.Is(err, archive.ErrNotFound) || errors.Is(err, archive.ErrDamaged) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Talk{}, err
	}
	t := Talk{More: more}
	for _, m := range read {
		if m != nil && m.Workload == workload && slices.Contains(namespaces, m.Namespace) {
			t.Of = append(t.Of, *m)
		} else {
			t.More = true
		}
	}
	return t, nil
}

// messageKeys returns the keys of the newest messages, oldest first, within the bounds; more: there are others.
func messageKeys(ctx context.Context, store archive.Store, workload string, namespaces []string) (keys []archive.Key, more bool, err error) {
	var all []archive.Object
	for _, namespace := range namespaces {
		for _, folder := range archive.MessageFolders(namespace, workload) {
			seen := 0
			for object, err := range store.List(ctx, folder, "") {
				if err != nil {
					return nil, false, err
				}
				if seen++; seen > mostMessagesSeen {
					more = true
					break
				}
				name := strings.TrimPrefix(string(object.Key), folder)
				if of, _, ok := archive.SplitMessageKey(object.Key); ok && of == namespace && !strings.Contains(name, "/") {
					all = append(all, object)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b archive.Object) int { return strings.Compare(nameOfMessage(a.Key), nameOfMessage(b.Key)) })
	size := int64(0)
	for i, object := range slices.Backward(all) {
		if size += object.Size; size > mostMessageBytes || len(all)-i > mostMessages {
			more = true
			break
		}
		keys = append(keys, object.Key)
	}
	slices.Reverse(keys)
	return keys, more, nil
}

// nameOfMessage is what messages are in order by, wherever they stand.
func nameOfMessage(key archive.Key) string {
	return string(key)[strings.LastIndexByte(string(key), '/')+1:]
}

func readMessage(ctx context.Context, store archive.Store, key archive.Key) (*Message, error) {
	body, _, err := store.Get(ctx, key, archive.Range{})
	if err != nil {
		return nil, fmt.Errorf("get message %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 8*MaxMessage))
	if err != nil {
		return nil, fmt.Errorf("get message %s: %w", key, err)
	}
	var m Message
	if err := json.Unmarshal(text, &m); err != nil || m.Version != archive.FormatVersion {
		return nil, fmt.Errorf("message %s: %w: want a document of version %s", key, archive.ErrDamaged, archive.FormatVersion)
	}
	return &m, nil
}
