package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestLokiIsOptional: with api-loki=false nothing answers at Loki's paths, and the API does as before.
func TestLokiIsOptional(t *testing.T) {
	for setting, loki := range map[string]int{"true": http.StatusOK, "false": http.StatusNotFound} {
		t.Run(setting, func(t *testing.T) {
			p := everything(t, "EPILOGUE_API_LOKI", setting, "EPILOGUE_API_AUTH", "none", "EPILOGUE_API_LISTEN", "127.0.0.1:0")
			for path, want := range map[string]int{
				"/loki/api/v1/labels": loki, "/loki/api/v1/status/buildinfo": loki, "/loki/ready": loki, "/ready": loki,
				"/api/v1/namespaces/jobs/jobs": http.StatusOK,
			} {
				w := httptest.NewRecorder()
				p.api.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
				if w.Code != want {
					t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, want)
				}
			}
		})
	}
}
