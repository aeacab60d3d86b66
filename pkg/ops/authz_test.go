package ops_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-chat/parley/pkg/contract/authz"
	"github.com/parley-chat/parley/pkg/ops"
)

// What docs/authorisation.md says of the operations port.
func TestAuthorisation(t *testing.T) {
	s := ops.New(ops.Options{})
	s.SetReady(true)
	for _, row := range authz.Ops {
		for _, token := range []string{"", "Bearer nonsense"} {
			r := httptest.NewRequest(row.ID, row.Path, nil)
			if token != "" {
				r.Header.Set("Authorization", token)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if got := fmt.Sprint(w.Code); got != row.Want {
				t.Errorf("%s %s with %q: %s, want %s", row.ID, row.Path, token, got, row.Want)
			}
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
}
