package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Message is a line that somebody adds to a workload's log besides what its containers write. ZenML says in such lines where
// its own work on a run stands.
type Message struct {
	Version   string    `json:"version"`
	Namespace string    `json:"namespace"` // of the workload's Jobs
	Workload  string    `json:"workload"`
	Time      time.Time `json:"time"` // the sender's clock, nanoseconds
	Text      string    `json:"text"`
}

const messageFolder = formatVersion + "/_message/"

// MaxMessage bounds a message's text, in bytes.
const MaxMessage = 64 << 10

// Bounds of what one reading of a workload's messages looks at and keeps: anybody who may create Jobs may add any number of them.
const (
	mostMessages     = 5000
	mostMessageBytes = 4 << 20
	mostMessagesSeen = 20_000 // names in the listing of one namespace
	messagesTogether = 16
)

// messagesOf is where a namespace's messages of a workload stand: what is said elsewhere of a workload of this id is not listed with them.
func messagesOf(namespace, workload string) string {
	return messageFolder + namespace + "/" + workload + "/"
}

// key names the message by its time, so that a list is in order, and by its text, so that a message that is sent again by who
// did not hear the answer is the same object.
func (m *Message) key() Key {
	sum := sha256.Sum256([]byte(m.Text))
	return Key(fmt.Sprintf("%s%020d.%s.%.6x.json", messagesOf(m.Namespace, m.Workload), m.Time.UnixNano(), m.Namespace, sum))
}

// splitMessageKey gives what key says: a namespace holds no dot.
func splitMessageKey(key Key) (namespace string, at time.Time, ok bool) {
	parts := strings.Split(nameOfMessage(key), ".")
	if len(parts) != 4 || parts[3] != "json" {
		return "", time.Time{}, false
	}
	n, err := strconv.ParseInt(parts[0], 10, 64)
	return parts[1], time.Unix(0, n), err == nil
}

// PutMessage keeps a message. Done again it changes nothing. A crash before it loses a message that nobody was told is kept.
func PutMessage(ctx context.Context, store Store, m Message) error {
	m.Version, m.Time = formatVersion, m.Time.UTC()
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message of workload %s: %w", m.Workload, err)
	}
	err = putChecked(ctx, store, m.key(), bytes.NewReader(append(text, '\n')), PutOptions{IfAbsent: true, ContentType: "application/json"})
	if err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("put message of workload %s: %w", m.Workload, err)
	}
	return nil
}

// Talk is what was said of a workload, oldest first. More says that there is more than that: too much, or what could not be read.
type Talk struct {
	Messages []Message
	More     bool
}

// Memory is about how many bytes the messages take.
func (t *Talk) Memory() (bytes int64) {
	const message = 256 // besides its text
	for i := range t.Messages {
		bytes += message + int64(len(t.Messages[i].Text))
	}
	return bytes
}

// Messages gives the newest messages of a workload in some namespaces. One that cannot be read, or is of a version that nobody here
// knows, is passed over: it must not hide the others, nor the log that they stand in.
func Messages(ctx context.Context, store Store, workload string, namespaces ...string) (Talk, error) {
	back, err := RoomOf(ctx).find(ctx)
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
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
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
			t.Messages = append(t.Messages, *m)
		} else {
			t.More = true
		}
	}
	return t, nil
}

// messageKeys gives the keys of the newest messages, oldest first, within the bounds; more: there are others.
func messageKeys(ctx context.Context, store Store, workload string, namespaces []string) (keys []Key, more bool, err error) {
	var all []Object
	for _, namespace := range namespaces {
		// Below the workload's id stand the messages of before there was a folder for each namespace.
		for _, folder := range []string{messagesOf(namespace, workload), messageFolder + workload + "/"} {
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
				if of, _, ok := splitMessageKey(object.Key); ok && of == namespace && !strings.Contains(name, "/") {
					all = append(all, object)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(nameOfMessage(a.Key), nameOfMessage(b.Key)) })
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
func nameOfMessage(key Key) string { return string(key)[strings.LastIndexByte(string(key), '/')+1:] }

func readMessage(ctx context.Context, store Store, key Key) (*Message, error) {
	body, _, err := store.Get(ctx, key, Range{})
	if err != nil {
		return nil, fmt.Errorf("get message %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 8*MaxMessage))
	if err != nil {
		return nil, fmt.Errorf("get message %s: %w", key, err)
	}
	var m Message
	if err := json.Unmarshal(text, &m); err != nil || m.Version != formatVersion {
		return nil, fmt.Errorf("message %s: %w: want a document of version %s", key, ErrDamaged, formatVersion)
	}
	return &m, nil
}

// sweepMessages deletes the messages of before the cutoff, and those that claim to be of the future and would never be. They lead nowhere,
// and nothing leads to them.
func (r *Retention) sweepMessages(ctx context.Context, cutoff time.Time) error {
	var old []Key
	future := time.Now().Add(24 * time.Hour) // more than clocks differ
	for object, err := range r.store.List(ctx, messageFolder, "") {
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		namespace, at, ok := splitMessageKey(object.Key)
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

func (r *Retention) deleteMessages(ctx context.Context, keys []Key) error {
	if len(keys) == 0 {
		return nil
	}
	if err := r.store.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("delete messages: %w", err)
	}
	r.counts.objects.Add(int64(len(keys)))
	return nil
}
