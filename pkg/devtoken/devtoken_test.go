package devtoken

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

func TestHandler(t *testing.T) {
	h := Handler(func(u chat.User) (string, error) {
		if u == "nobody" {
			return "", chat.Unavailable("no key")
		}
		return "token of " + string(u), nil
	})
	for _, c := range []struct {
		method, body string
		status       int
		says         string
	}{
		{"POST", `{"user":"alice"}`, 200, `{"token":"token of alice"}`},
		{"POST", `{"user":"nobody"}`, 503, "no key"},
		{"POST", `{"user":""}`, 400, "not a user id"},
		{"POST", `{"user":{"$gt":""}}`, 400, "bad_request"},
		{"POST", `{}`, 400, "not a user id"},
		{"GET", ``, 405, "ask with POST"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, Path, strings.NewReader(c.body)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.body, w.Code, w.Body)
		}
	}
}

func TestLoopback(t *testing.T) {
	h := Loopback(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, status := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST:8080": 200, "127.0.0.1:8080": 200, "127.8.8.8": 200, "[::1]:8080": 200, "[::1]": 200,
		"chat.example": 404, "chat.example:8080": 404, "localhost.evil.example": 404, "10.0.0.1:8080": 404, "192.168.1.2": 404, "0.0.0.0:8080": 404, "": 404, "127.0.0.1.nip.io": 404,
	} {
		r := httptest.NewRequest("POST", Path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}
