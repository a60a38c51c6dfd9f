// Package contract compares what the API does with what it says of itself in its OpenAPI document. It is for tests, and
// no program links it.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Reporter is the part of *testing.T that a Document speaks to.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Context() context.Context
}

// Document is an OpenAPI document that was read.
type Document struct {
	doc    *openapi3.T
	router routers.Router
}

var register = sync.OnceFunc(func() {
	for _, kind := range []string{"application/x-ndjson", "text/event-stream", "application/zstd", "application/yaml", "multipart/byteranges"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
})

// Read reads a document; it need not be valid.
func Read(text []byte) (*Document, error) {
	register()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	return &Document{doc, router}, nil
}

// Validate reports whether it is a valid document.
func (d *Document) Validate(ctx context.Context) error { return d.doc.Validate(ctx) }

// Parameters returns the names of the query's parameters of the route that answers a request, sorted.
func (d *Document) Parameters(r *http.Request) ([]string, error) {
	route, _, err := d.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s stands in no document: %w", r.Method, r.URL, err)
	}
	var names []string
	for _, p := range slices.Concat(route.PathItem.Parameters, route.Operation.Parameters) {
		if p.Value.In == openapi3.ParameterInQuery {
			names = append(names, p.Value.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Check compares a request that was answered, and its answer, with the document. The request's body may have been read:
// body is what it was.
func (d *Document) Check(t Reporter, r *http.Request, body []byte, w *httptest.ResponseRecorder) {
	t.Helper()
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		if w.Code != http.StatusNotFound {
			t.Errorf("%s %s is answered with %d and stands in no document: %v", r.Method, r.URL, w.Code, err)
		}
		return
	}
	r = r.Clone(t.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && w.Code < 400 {
		t.Errorf("%s %s is answered with %d, and the document forbids it: %v", r.Method, r.URL, w.Code, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s: the answer is not as described: %v", r.Method, r.URL, err)
	}
	if w.Header().Get("Content-Type") == "application/x-ndjson" {
		d.checkRecords(t, w.Body.Bytes())
	}
}

// checkRecords compares each line of NDJSON with the document.
func (d *Document) checkRecords(t Reporter, body []byte) {
	t.Helper()
	for decoder := json.NewDecoder(bytes.NewReader(body)); ; {
		var record map[string]any
		if err := decoder.Decode(&record); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("NDJSON: %v", err)
			return
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
