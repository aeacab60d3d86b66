package contract

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestServe(t *testing.T) {
	for _, c := range []struct {
		serve    http.HandlerFunc
		document []byte
	}{{ServeOpenAPI, OpenAPI()}, {ServeAsyncAPI, AsyncAPI()}} {
		r := httptest.NewRequest(http.MethodGet, "/x.json", nil)
		first := httptest.NewRecorder()
		c.serve(first, r)
		tag := first.Header().Get("ETag")
		if first.Code != http.StatusOK || !bytes.Equal(first.Body.Bytes(), c.document) || tag == "" ||
			first.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d %v", first.Code, first.Header())
		}
		r.Header.Set("If-None-Match", tag)
		again := httptest.NewRecorder()
		c.serve(again, r)
		if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("again: %d", again.Code)
		}
	}
}
