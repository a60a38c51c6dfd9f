package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
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

// key names the message by its time, so that a list is in order, and by its text, so that a message that is sent again by who
// did not hear the answer is the same object.
func (m *Message) key() Key {
	sum := sha256.Sum256([]byte(m.Text))
	return Key(fmt.Sprintf("%s%s/%020d.%s.%.6x.json", messageFolder, m.Workload, m.Time.UnixNano(), m.Namespace, sum))
}

// splitMessageKey gives what key says: a namespace holds no dot.
func splitMessageKey(key Key) (namespace string, at time.Time, ok bool) {
	parts := strings.Split(string(key)[strings.LastIndexByte(string(key), '/')+1:], ".")
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
	err = store.Put(ctx, m.key(), bytes.NewReader(append(text, '\n')), PutOptions{IfAbsent: true, ContentType: "application/json"})
	if err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("put message of workload %s: %w", m.Workload, err)
	}
	return nil
}

// Messages gives the workload's messages, oldest first.
func Messages(ctx context.Context, store Store, workload string) ([]Message, error) {
	var all []Message
	for object, err := range store.List(ctx, messageFolder+workload+"/", "") {
		if err != nil {
			return nil, fmt.Errorf("list messages of workload %s: %w", workload, err)
		}
		if _, _, ok := splitMessageKey(object.Key); !ok {
			continue
		}
		m, err := readMessage(ctx, store, object.Key)
		if errors.Is(err, ErrNotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func readMessage(ctx context.Context, store Store, key Key) (m Message, err error) {
	body, _, err := store.Get(ctx, key, Range{})
	if err != nil {
		return m, fmt.Errorf("get message %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 8*MaxMessage))
	if err != nil {
		return m, fmt.Errorf("get message %s: %w", key, err)
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Version != formatVersion {
		return m, fmt.Errorf("message %s: %w: want a document of version %s", key, ErrDamaged, formatVersion)
	}
	return m, nil
}

// sweepMessages deletes the messages of before the cutoff. They lead nowhere, and nothing leads to them.
func (r *Retention) sweepMessages(ctx context.Context, cutoff time.Time) error {
	var old []Key
	for object, err := range r.store.List(ctx, messageFolder, "") {
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		namespace, at, ok := splitMessageKey(object.Key)
		if ok && at.Before(cutoff) && (r.cfg.Namespace == "" || r.cfg.Namespace == namespace) {
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
