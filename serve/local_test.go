package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestNoPageIsItsUser: where everybody may do everything, a web page in the user's browser still may nothing.
func TestNoPageIsItsUser(t *testing.T) {
	handler := localOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, test := range []struct {
		name, method, host string
		header             []string
		want               int
	}{
		{"curl", "GET", "127.0.0.1:8000", nil, 200},
		{"curl by name", "POST", "localhost:8000", nil, 200},
		{"curl, IPv6", "POST", "[::1]:8000", nil, 200},
		{"a name that points here", "GET", "rebound.example:8000", nil, 403},
		{"a page that posts", "POST", "127.0.0.1:8000", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of an old browser that posts", "POST", "127.0.0.1:8000", []string{"Origin", "https://page.example"}, 403},
		{"a page that reads", "GET", "127.0.0.1:8000", []string{"Origin", "https://page.example"}, 403},
		{"a page of our own", "GET", "127.0.0.1:8000", []string{"Origin", "http://127.0.0.1:8000", "Sec-Fetch-Site", "same-origin"}, 200},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, "http://"+test.host+"/", nil)
		for i := 0; i+1 < len(test.header); i += 2 {
			r.Header.Set(test.header[i], test.header[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s: got %d, want %d", test.name, w.Code, test.want)
		}
	}
}
