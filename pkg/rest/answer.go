package rest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Status is the HTTP status of an error code.
func Status(code chat.Code) int {
	switch code {
	case chat.CodeBadFrame, chat.CodeBadRequest:
		return http.StatusBadRequest
	case chat.CodeUnauthenticated:
		return http.StatusUnauthorized
	case chat.CodeForbidden:
		return http.StatusForbidden
	case chat.CodeNotFound:
		return http.StatusNotFound
	case chat.CodeCMIDConflict:
		return http.StatusConflict
	case chat.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case chat.CodeRateLimited:
		return http.StatusTooManyRequests
	case chat.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// JSON answers with a value. An error of writing is the client's going away, and
// is nobody's business.
func JSON(w http.ResponseWriter, status int, v any) {
	write(w, status, "application/json", v)
}

// Error answers with a problem (RFC 9457). Any error will do: what is not a
// [*chat.Error] becomes unavailable, and its text is not shown.
func Error(w http.ResponseWriter, err error) {
	e := chat.AsError(err)
	problem(w, Status(e.Code), e)
}

// MethodNotAllowed answers 405, naming in Allow (RFC 9110 §15.5.6) what may be
// done, and says in detail where to turn to.
func MethodNotAllowed(w http.ResponseWriter, allow, detail string) {
	w.Header().Set("Allow", allow)
	problem(w, http.StatusMethodNotAllowed, chat.Errorf(chat.CodeBadRequest, "%s", detail))
}

// retryAfter is what is named where an error that calls for a repeat names none.
const retryAfter = time.Second

func problem(w http.ResponseWriter, status int, e *chat.Error) {
	wait := e.RetryAfter
	switch status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="parley"`
		if e != errNoToken {
			challenge += `, error="invalid_token"` // RFC 6750 §3.1: only where a token was given
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if wait <= 0 {
			wait = retryAfter
		}
	}
	if wait > 0 {
		seconds := (wait + time.Second - 1) / time.Second // the header has whole seconds: not too early
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	write(w, status, "application/problem+json", wire.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: e.Code, Detail: e.Message, RetryAfterMS: wait.Milliseconds(),
	})
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		// Answers are built from checked values: this cannot happen, and if it does
		// it must be found. API.Handle makes it a 500.
		panic("rest: encode answer: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	// What one user sees may not be kept for the next.
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
