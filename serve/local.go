package serve

import (
	"errors"
	"net"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/epilogue-dev/epilogue/serve/access"
)

// localOnly stands before an API that asks nobody who he is, as on one's own machine: there a web page must not pass
// for its user. A page's requests say where it comes from (Origin, Sec-Fetch-Site), and what reaches us by a name that
// somebody has pointed at the loopback says that name.
func localOnly(next http.Handler) http.Handler {
	crossing := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalName(r.Host) || r.Header.Get("Origin") != "" && crossing.Check(unsafe(r)) != nil || crossing.Check(r) != nil {
			writeStatus(w, errNotLocal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errNotLocal = apierrors.NewForbidden(schema.GroupResource{}, "",
	errors.New("this API lets everybody in (api-auth=none), and so only requests to the loopback that no web page makes"))

// unsafe is the request with a method that a page of another origin may not send: what it may read here is no page's
// either.
func unsafe(r *http.Request) *http.Request {
	posted := r.Clone(r.Context())
	posted.Method = http.MethodPost
	return posted
}

func isLocalName(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// asksNobody reports whether everybody may do everything.
func asksNobody(who Access) bool {
	_, anyone := who.(access.Anyone)
	return anyone
}
