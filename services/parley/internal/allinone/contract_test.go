package allinone

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/contract/spec"
)

// Behind the one address of parley up is all that the contract has, and the
// contract itself.
func TestWholeContractIsServed(t *testing.T) {
	c := start(t, Options{Gateways: 1, Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	for _, route := range spec.Routes(spec.Gateway | spec.History | spec.AllInOne) {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{conv}", "g_abcdefghijklmnopqrstuvwxyz", "{user}", "bob", "{device}", "d", "{id}", "x").Replace(path)
		req, err := http.NewRequestWithContext(t.Context(), method, c.URLs[0]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		// Without a token nothing but these is done; what is no route is 404 or 405.
		switch path {
		case "/openapi.json", "/asyncapi.json":
			if res.StatusCode != http.StatusOK || res.Header.Get("ETag") == "" {
				t.Errorf("%s: %d %v", route, res.StatusCode, res.Header)
			}
		case "/v1/ws", "/dev/token":
			if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", route, res.StatusCode)
			}
		default:
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %d", route, res.StatusCode)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
