package serve

import (
	"net/http"
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

func (w *answerWriter) extend() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) // on a connection that is gone; Write says so
}
