package history

import (
	"net/http"
	"slices"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/services/history/internal/searcher"
)

// Every route is in the contract, and the other way round.
func TestRoutesAreInTheContract(t *testing.T) {
	var routes []string
	err := chi.Walk((&Service{search: new(searcher.Searcher), revoked: new(revoke.List)}).routes(), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	promised := spec.Routes(spec.History)
	for _, r := range routes {
		if !slices.Contains(promised, r) {
			t.Errorf("%s is not in the contract: add it to pkg/contract/spec/operations.go, and run make contracts", r)
		}
	}
	for _, r := range promised {
		if !slices.Contains(routes, r) {
			t.Errorf("%s is in pkg/contract/spec/operations.go, and no route of history", r)
		}
	}
}
