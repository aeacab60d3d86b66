// Package contract is Parley's contracts as files: OpenAPI for HTTP, AsyncAPI for
// the socket. Services serve them. They are made from the Go types by `make
// contracts`, see package spec, and a test fails where they differ.
package contract

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

// The files' names, beside this one.
const (
	OpenAPIFile  = "openapi.json"
	AsyncAPIFile = "asyncapi.json"
)

//go:embed openapi.json
var openAPI []byte

//go:embed asyncapi.json
var asyncAPI []byte

// OpenAPI is the contract of the HTTP API. Nobody may change it.
func OpenAPI() []byte { return openAPI }

// AsyncAPI is the contract of the socket. Nobody may change it.
func AsyncAPI() []byte { return asyncAPI }

// ServeOpenAPI answers GET /openapi.json.
func ServeOpenAPI(w http.ResponseWriter, r *http.Request) { serve(w, r, openAPI) }

// ServeAsyncAPI answers GET /asyncapi.json.
func ServeAsyncAPI(w http.ResponseWriter, r *http.Request) { serve(w, r, asyncAPI) }

// serve answers 304 where the client has the document.
func serve(w http.ResponseWriter, r *http.Request, document []byte) {
	sum := sha256.Sum256(document)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	h.Set("Cache-Control", "no-cache") // to be kept, and asked for again each time
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
}
