package devtoken

import (
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
