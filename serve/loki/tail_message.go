package loki

import (
	"context"
	"time"

	"github.com/gorilla/websocket"

	"github.com/epilogue-dev/epilogue/serve/loki/logql"
)

// message is what is sent together.
type message struct {
	*tail
	streams logql.Streams
	by      map[string]int // by labels; the place in streams
	n       int
}

func (t *tail) newMessage() *message { return &message{tail: t, by: map[string]int{}} }

// add puts an entry through the stages of the query.
func (m *message) add(e *entry) {
	if e.view = e.at; e.at == m.last {
		e.view = m.lastView + 1
	}
	m.last, m.lastView = e.at, e.view
	labels, line, ok := m.pipeline.Process(m.form.entry(e))
	if !ok {
		return
	}
	key := labels.String()
	at, known := m.by[key]
	if !known {
		at = len(m.streams)
		m.by[key] = at
		m.streams = append(m.streams, logql.LogStream{Labels: labels})
	}
	m.streams[at].Entries = append(m.streams[at].Entries, line)
	m.n++
}

// gather takes in what comes within a moment.
func (m *message) gather(ctx context.Context) {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for m.n < mostTogether {
		select {
		case e := <-m.entries:
			m.add(e)
		case <-wait.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (m *message) write() error {
	if m.n == 0 {
		return nil
	}
	if err := m.conn.SetWriteDeadline(time.Now().Add(m.api.cfg.WriteWait)); err != nil {
		return err
	}
	w, err := m.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	writeTail(w, m.streams, m.form.numbers)
	return w.Close()
}
