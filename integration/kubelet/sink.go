package kubelet

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// flushBytes is how much the sink gathers before it hands it on while more is at hand. At the end of a file it flushes
// at once, so nothing that was written is ever held back.
const flushBytes = 32 << 10

// sink is the body of one answer, with the fault that was scripted for it. Owned by the request's goroutine.
type sink struct {
	ctx    context.Context
	w      http.ResponseWriter
	total  *atomic.Int64 // bytes served by the whole kubelet
	fault  *Fault
	struck bool // the fault's point is behind us
	buf    []byte
	bytes  int64
	lines  int
	paid   time.Time // when the bytes so far are due on a slow node
	hung   func(from time.Time)
}

// write takes the text of one record. done is called when the whole of it is about to go to the network.
func (s *sink) write(text []byte, done func()) error {
	if cut, here := s.strikes(len(text)); here {
		if err := s.put(text[:cut]); err != nil {
			return err
		}
		if err := s.strike(); err != nil {
			return err
		}
		text = text[cut:]
	}
	done()
	s.lines++
	return s.put(text)
}

// strikes reports whether the fault's point lies before or inside the next n bytes, and how many of them come before
// it.
func (s *sink) strikes(n int) (cut int, here bool) {
	f := s.fault
	if f == nil || s.struck {
		return 0, false
	}
	if f.AfterBytes > 0 {
		return int(max(f.AfterBytes-s.bytes, 0)), s.bytes+int64(n) > f.AfterBytes
	}
	return 0, s.lines >= f.AfterLines
}

// strike carries out the fault: hold, then error text, silence or a cut, whichever it asks for.
func (s *sink) strike() error {
	s.struck = true
	if err := s.flush(); err != nil {
		return err
	}
	s.fault.fire()
	if h := s.fault.Hold; h != nil {
		if err := h.wait(s.ctx); err != nil {
			return err
		}
	}
	switch {
	case s.fault.Text != "":
		return textError(s.fault.Text)
	case s.fault.Hang:
		from := time.Now()
		<-s.ctx.Done()
		if s.lines == 0 {
			s.hung(from)
		}
		return context.Cause(s.ctx)
	case s.fault.Cut:
		return errCut
	}
	return nil
}

// idle is called where the log has nothing more for now: a fault that is due strikes here too.
func (s *sink) idle() error {
	if cut, here := s.strikes(1); here && cut == 0 {
		if err := s.strike(); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *sink) put(text []byte) error {
	s.buf = append(s.buf, text...)
	s.bytes += int64(len(text))
	if slow := s.fault != nil && s.fault.BytesPerSecond > 0; slow {
		return s.putSlowly(len(text))
	}
	if len(s.buf) < flushBytes {
		return nil
	}
	return s.flush()
}

// putSlowly flushes n bytes and waits until a line of that speed would have carried them.
func (s *sink) putSlowly(n int) error {
	s.fault.fire()
	if err := s.flush(); err != nil {
		return err
	}
	now := time.Now()
	if s.paid.Before(now) {
		s.paid = now
	}
	s.paid = s.paid.Add(time.Duration(n) * time.Second / time.Duration(s.fault.BytesPerSecond))
	return sleep(s.ctx, s.paid.Sub(now))
}

func (s *sink) flush() error {
	if len(s.buf) > 0 {
		if _, err := s.w.Write(s.buf); err != nil {
			return err
		}
		s.total.Add(int64(len(s.buf)))
		s.buf = s.buf[:0]
	}
	return http.NewResponseController(s.w).Flush()
}

// sleep waits for d or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
