package serve

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is the document that the API serves of itself.
var contract = sync.OnceValue(func() *described {
	for _, kind := range []string{"application/x-ndjson", "text/event-stream", "application/zstd", "application/yaml", "multipart/byteranges"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		panic(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	return &described{doc, router}
})

type described struct {
	doc    *openapi3.T
	router routers.Router
}

// check compares a request that was answered, and its answer, with the document. Every test that asks the API comes here.
func (d *described) check(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		if w.Code != http.StatusNotFound {
			t.Errorf("%s %s is answered with %d and stands in no document: %v", r.Method, r.URL, w.Code, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && w.Code < 400 {
		t.Errorf("%s is answered with %d, and the document forbids it: %v", r.URL, w.Code, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options,
	}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s: the answer is not as described: %v", r.URL, err)
	}
	if w.Header().Get("Content-Type") == "application/x-ndjson" {
		d.checkRecords(t, w.Body.Bytes())
	}
}

// checkRecords compares each line of NDJSON with the document.
func (d *described) checkRecords(t testing.TB, body []byte) {
	t.Helper()
	for decoder := json.NewDecoder(bytes.NewReader(body)); ; {
		var record map[string]any
		if err := decoder.Decode(&record); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name, value := "LogLine", any(record)
		for key, schema := range map[string]string{"damage": "Damage", "error": "Status", "end": "End"} {
			if inner, ok := record[key]; ok {
				name, value = schema, inner
			}
		}
		if err := d.doc.Components.Schemas[name].Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%v is no %s: %v", value, name, err)
		}
	}
}

func TestDocumentIsValid(t *testing.T) {
	if err := contract().doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	w := newShelf(t).askAs("", "/openapi.yaml")
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), openAPI) {
		t.Errorf("got %d and %d bytes, want the document, without a token", w.Code, w.Body.Len())
	}
}

// TestDocumentNamesEveryParameter: those that the routes take, and no others. A route tells which it takes to whoever gives another one.
func TestDocumentNamesEveryParameter(t *testing.T) {
	s := filled(t)
	for _, route := range readingRoutes {
		status := wantStatus(t, s.ask(route.path+"?no-such-parameter=1"), http.StatusBadRequest, "BadRequest")
		_, list, _ := strings.Cut(status.Message, "want one of the parameters ")
		var got []string
		for name := range strings.SplitSeq(list, ", ") {
			if name != "" {
				got = append(got, name)
			}
		}
		found, _, err := contract().router.FindRoute(httptest.NewRequestWithContext(t.Context(), http.MethodGet, route.path, nil))
		if err != nil {
			t.Errorf("%s stands in no document: %v", route.path, err)
			continue
		}
		var want []string
		for _, p := range slices.Concat(found.PathItem.Parameters, found.Operation.Parameters) {
			if p.Value.In == openapi3.ParameterInQuery {
				want = append(want, p.Value.Name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s takes %v, and the document names %v", route.path, got, want)
		}
	}
}
