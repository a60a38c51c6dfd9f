package serve

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/epilogue-dev/epilogue/serve/contract"
)

// document is what the API says of itself. Every test that asks the API compares it with what was asked and answered.
var document = sync.OnceValue(func() *contract.Document { return must(contract.Read(openAPI)) })

func TestDocumentIsValid(t *testing.T) {
	if err := document().Validate(t.Context()); err != nil {
		t.Error(err)
	}
	w := newShelf(t).askAs("", "/openapi.yaml")
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), openAPI) {
		t.Errorf("got %d and %d bytes, want the document, without a token", w.Code, w.Body.Len())
	}
}

// TestDocumentNamesEveryParameter: those that the routes take, and no others. A route tells which it takes to whoever
// gives another one.
func TestDocumentNamesEveryParameter(t *testing.T) {
	s := filled(t)
	for _, route := range readingRoutes {
		status := wantStatus(t, s.ask(route.path+"?no-such-parameter=1"), http.StatusBadRequest, "BadRequest")
		_, list, _ := strings.Cut(status.Message, "want one of the parameters ")
		got := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' })
		want, err := document().Parameters(httptest.NewRequestWithContext(t.Context(), http.MethodGet, route.path, nil))
		if err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s takes %v, and the document names %v", route.path, got, want)
		}
	}
}
