package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/epilogue-dev/epilogue/archive"
)

// Error codes of S3 that mean something to the archive.
const (
	codeNoSuchKey      = "NoSuchKey"
	codeNotFound       = "NotFound" // the SDK's name for a 404 that gives no code
	codePrecondition   = "PreconditionFailed"
	codeConflict       = "ConditionalRequestConflict"
	codeInvalidRange   = "InvalidRange"
	codeNotImplemented = "NotImplemented"
	codeKeyTooLong     = "KeyTooLongError"
	codeMinIOName      = "XMinioInvalidObjectName"
)

// translate turns an error of the SDK into what archive.Store promises. It goes by the code that the store itself gave,
// and but for 412, which nothing else can mean, not by the status: a 404 without one can come from a proxy, and
// NoSuchBucket is a 404 too, but neither says that an object is absent. All that is not recognised stays an ordinary
// error, which the caller tries again.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		if errors.Is(err, ended) {
			return err
		}
		return fmt.Errorf("%w: %w", ended, err)
	}
	switch code(err) {
	case codeNoSuchKey:
		return archive.ErrNotFound
	case codePrecondition:
		return archive.ErrExists
	case codeKeyTooLong, codeMinIOName:
		return fmt.Errorf("%w: %w", archive.ErrKey, err) // stores over a file system take 255 bytes between slashes
	case codeNotImplemented:
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if status(err) == http.StatusPreconditionFailed {
		return archive.ErrExists // some give it another code, and the archive makes no other condition
	}
	return err
}

// code returns the store's error code, "" where the error is not the store's.
func code(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	return api.ErrorCode()
}

// status returns the HTTP status of the store's answer, 0 where there was none.
func status(err error) int {
	resp, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok {
		return 0
	}
	return resp.HTTPStatusCode()
}

// isConflict reports whether another conditional put of the same key was under way.
func isConflict(err error) bool { return code(err) == codeConflict }

// isPastEnd reports whether a range begins behind the object's end.
func isPastEnd(err error) bool {
	return code(err) == codeInvalidRange || status(err) == http.StatusRequestedRangeNotSatisfiable
}

// isRefusal reports whether the store does not take this kind of request, rather than that it is in trouble.
func isRefusal(err error) bool {
	switch status(err) {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented:
		return true
	}
	return false
}
