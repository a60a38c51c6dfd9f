package serve

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"
)

// statusClientGone counts requests whose client left before it was answered.
const statusClientGone = 499

// answerWriter is a ResponseWriter whose client has so long to read each piece, and no longer: what it holds for a
// client that does not read is what the kernel's buffers hold.
type answerWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	user    string
	begun   bool // the status is sent: it cannot be another one any more
	follows bool
	code    int
	bytes   int64

	hijacked *sync.WaitGroup // the API waits for it: the server forgets a connection that was taken over
	taken    bool
}

func (w *answerWriter) WriteHeader(code int) {
	w.extend()
	w.begun = true
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError sends what is written; http.ResponseController finds it.
func (w *answerWriter) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.extend()
	return w.control.Flush()
}

// Hijack gives the connection to who answers, as for a WebSocket; http.ResponseController finds it. From then on it is
// his to close.
func (w *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := w.control.Hijack()
	if err == nil {
		w.begun, w.code, w.taken = true, http.StatusSwitchingProtocols, true
		w.hijacked.Add(1)
	}
	return conn, buffer, err
}

// over says that the answer is.
func (w *answerWriter) over() {
	if w.taken {
		w.hijacked.Done()
	}
}

func (w *answerWriter) extend() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) // on a connection that is gone; Write says so
}
