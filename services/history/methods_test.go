package history

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
)

// Behind one address 405 names all that can be done at a path, whoever answers it,
// and what is no path is 404 for every method.
func TestMethodsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const conv = "/v1/conversations/g_4ivcnuqfzbt3lkmpzhsxrcyu5a"
		forwarded := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case conv:
				rest.MethodNotAllowed(w, "PATCH, DELETE", "a gateway's")
			case "/v1/new":
				rest.JSON(w, http.StatusOK, "of a later version")
			default:
				rest.Error(w, chat.Errorf(chat.CodeNotFound, "a gateway's"))
			}
		}))
		alone := newFixture(t).handler(func(o *Options) { o.OneAddress = true })
		for _, c := range []struct {
			method, path string
			status       int
			allow        string
		}{
			{"POST", conv + "/messages", 405, "GET"},
			{"DELETE", "/v1/search", 405, "GET"},
			{"TRACE", "/v1/search", 405, "GET"},
			{"HEAD", "/v1/conversations", 405, "GET, POST"},
			{"OPTIONS", conv, 405, "DELETE, GET, PATCH"},
			{"GET", "/v1/messages/batch", 405, "POST"},
			{"GET", conv + "/members/bob%40x.org", 405, "DELETE, PUT"},
			{"GET", "/v1/nothing", 404, ""},
			{"POST", "/v1/nothing", 404, ""},
			{"BREW", "/v1/nothing", 404, ""},
			{"POST", "/dev/token", 404, ""},
			{"GET", "/dev/token", 404, ""},
			{"GET", "/v1/ws", 404, ""},
		} {
			if a := ask(alone, c.method, c.path, "_/alice"); a.status != c.status || a.header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %d, Allow %q", c.method, c.path, a.status, a.header.Get("Allow"))
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, forwarded.URL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := forwarded.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow {
				t.Errorf("%s %s, forwarded: %d, Allow %q", c.method, c.path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
		for path, want := range map[string]string{conv: "GET, PATCH, DELETE", "/v1/new": ""} {
			resp, err := forwarded.Client().Post(forwarded.URL+path, "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Allow"); got != want || (resp.StatusCode == http.StatusMethodNotAllowed) != (want != "") {
				t.Errorf("POST %s, forwarded: %d, Allow %q, want %q", path, resp.StatusCode, got, want)
			}
		}
	})
}
