package serve

import (
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/epilogue-dev/epilogue/archive"
)

// stream is an answer with lines on its way. What it holds are a buffer of some KiB and one line.
type stream struct {
	w    *answerWriter
	form *form
	wake chan struct{} // holds one token when something waits to be sent

	mu      sync.Mutex
	buffer  []byte    // guarded by mu; not sent yet
	sent    time.Time // guarded by mu
	trouble error     // guarded by mu; the client is gone
}

const (
	// bufferFull is when a buffer is sent.
	bufferFull = 32 << 10
	// patience is the time between two pieces of a followed log: a line that comes after a pause is sent at once, and
	// those of a busy log together.
	patience = 50 * time.Millisecond
)

func newStream(w *answerWriter, f *form) *stream {
	f.setHeader(w.Header())
	return &stream{w: w, form: f, wake: make(chan struct{}, 1), buffer: make([]byte, 0, bufferFull+4<<10)}
}

// copy sends all entries. It returns the error that ended them, or the client's.
func (s *stream) copy(entries iter.Seq2[archive.Entry, error]) error {
	for e, err := range entries {
		var damage *archive.DamageError
		switch {
		case errors.As(err, &damage):
			err = s.append(func(dst []byte) []byte { return s.form.damage(dst, damage) })
		case err == nil:
			err = s.append(func(dst []byte) []byte { return s.form.line(dst, &e) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// append adds to the buffer, and sends it when it is full.
func (s *stream) append(add func([]byte) []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer = add(s.buffer)
	if len(s.buffer) >= bufferFull {
		s.send()
		return s.trouble
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return s.trouble
}

// send sends the buffer. mu is held: a client that does not read holds up its own answer, until the deadline of the
// write.
func (s *stream) send() {
	if s.trouble == nil && len(s.buffer) > 0 {
		_, s.trouble = s.w.Write(s.buffer)
		s.sent = time.Now()
	}
	if s.buffer = s.buffer[:0]; cap(s.buffer) > 4*bufferFull {
		s.buffer = make([]byte, 0, bufferFull+4<<10) // a giant line made it large
	}
}

// flush sends everything to the client's machine.
func (s *stream) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send()
	if s.trouble == nil {
		s.trouble = s.w.FlushError()
	}
	return s.trouble
}

// pace sends what waits, soon, and pings a client who has heard nothing for long, until stop is closed.
func (s *stream) pace(stop <-chan struct{}, ping time.Duration) {
	beat := time.NewTicker(ping)
	defer beat.Stop()
	for {
		select {
		case <-stop:
			return
		case <-s.wake:
			select {
			case <-time.After(s.due()):
			case <-stop:
				return
			}
			_ = s.flush() // append returns the error
		case <-beat.C:
			s.ping(ping)
		}
	}
}

// due is how long what waits has to wait.
func (s *stream) due() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return patience - time.Since(s.sent)
}

func (s *stream) ping(every time.Duration) {
	s.mu.Lock()
	if s.form.ping != "" && len(s.buffer) == 0 && time.Since(s.sent) >= every {
		s.buffer = append(s.buffer, s.form.ping...)
	}
	s.mu.Unlock()
	_ = s.flush() // append returns the error
}

// paced runs f while lines are sent soon after they came.
func (s *stream) paced(ping time.Duration, f func() error) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s.pace(stop, ping)
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	return f()
}
