package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/epilogue-dev/epilogue/archive"
	"github.com/epilogue-dev/epilogue/archive/room"
)

// badParameter says which parameter of a request is wrong, what it is and what would be right: a Status of 400.
func badParameter(name, value, want string) error {
	const shown = 200
	if len(value) > shown {
		value = value[:shown] + "..."
	}
	text := fmt.Sprintf("parameter %s is %q, want %s", name, value, want)
	status := apierrors.NewBadRequest(text)
	status.ErrStatus.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{
		Type: metav1.CauseTypeFieldValueInvalid, Field: name, Message: text,
	}}}
	return status
}

// notFound is a Status of 404.
func notFound(what string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: what,
	}}
}

// statusOf returns what a client is told of an error. What the archive and the store say is told as it is: it names
// keys and instances, and no credentials.
func statusOf(err error) metav1.Status {
	var status apierrors.APIStatus
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &status):
	case errors.Is(err, archive.ErrNotFound):
		status = notFound(err.Error())
	case errors.Is(err, room.ErrNoRoom):
		status = tooMany(err.Error())
	case errors.Is(err, archive.ErrDamaged):
		status = apierrors.NewInternalError(err)
	case errors.As(err, &tooLarge):
		status = apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("want at most %d bytes", tooLarge.Limit))
	case errors.Is(err, context.Canceled):
		status = apierrors.NewServiceUnavailable("this replica stops; ask again, and with the last id go on where you were")
	case errors.Is(err, context.DeadlineExceeded):
		status = apierrors.NewTimeoutError(err.Error(), 1)
	default:
		// The store's trouble, or the API server's: neither is for ever.
		busy := apierrors.NewServiceUnavailable(err.Error())
		busy.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 5}
		status = busy
	}
	s := status.Status()
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return s
}

// writeStatus answers with an error, in the form in which the API server gives its own.
func writeStatus(w http.ResponseWriter, err error) {
	s := statusOf(err)
	headOfStatus(w.Header(), &s)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(s.Code))
	// The client may be gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(s)
}

// writePlain answers with an error as its bare text.
func writePlain(w http.ResponseWriter, err error) {
	s := statusOf(err)
	headOfStatus(w.Header(), &s)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(int(s.Code))
	_, _ = io.WriteString(w, s.Message) // as above
}

func headOfStatus(h http.Header, s *metav1.Status) {
	h.Set("Cache-Control", "no-store")
	for _, name := range []string{"Content-Length", "Content-Disposition", "Etag", "Last-Modified"} {
		h.Del(name) // they were another answer's
	}
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(int(s.Details.RetryAfterSeconds)))
	}
	if s.Code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="epilogue"`)
	}
}

// WriteJSON answers with a document and a status.
func WriteJSON(w http.ResponseWriter, code int, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
	return nil
}
