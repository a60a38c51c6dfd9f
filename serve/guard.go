package serve

import (
	"net/http"

	"github.com/epilogue-dev/epilogue/serve/access"
)

// Guard returns a handler that answers only who is known and may do the act; others get a Status that says what is
// missing.
func Guard(who Access, act access.Act, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := who.User(access.From(r.Context(), r.RemoteAddr), r.Header)
		if err == nil {
			err = who.May(r.Context(), user, act)
		}
		if err != nil {
			writeStatus(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
