package access

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unavailable is a Status of 503: the caller did nothing wrong and may come again. Who asks need not be anybody whom
// the API server knows: he is told what could not be done, and only our own log hears why, which names addresses and
// accounts.
func unavailable(what string, err error) error {
	status := apierrors.NewServiceUnavailable(what + ": that is not possible now")
	status.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 5}
	return &outage{status, err}
}

// outage is a Status with a cause that does not stand in it.
type outage struct {
	*apierrors.StatusError
	cause error
}

func (o *outage) Error() string { return o.StatusError.Error() + ": " + o.cause.Error() }
func (o *outage) Unwrap() error { return o.cause }
