package allinone

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/contract/spec"
)

// Who asks for what cannot be done at a path is told what can, all of it, and not
// that nothing is there.
func TestAllowIsTheContract(t *testing.T) {
	c := start(t, Options{Data: t.TempDir(), DevTokens: true})
	can := map[string][]string{}
	for _, o := range spec.Operations {
		can[o.Path] = append(can[o.Path], o.Method)
	}
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for path, methods := range can {
		slices.Sort(methods)
		target := strings.NewReplacer("{conv}", "g_4ivcnuqfzbt3lkmpzhsxrcyu5a", "{user}", "bob%40x.org", "{seq}", "1", "{emoji}", "%F0%9F%8E%89",
			"{device}", "phone", "{id}", "x").Replace(path)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} {
			if slices.Contains(methods, method) {
				continue
			}
			r, err := http.NewRequestWithContext(t.Context(), method, c.URLs[0]+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Allow"); resp.StatusCode != http.StatusMethodNotAllowed || got != strings.Join(methods, ", ") {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, path, resp.StatusCode, got, methods)
			}
		}
	}
}
