package gateway

import (
	"net/http"
	"slices"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/contract/spec"
)

// Every route is in the contract, and the other way round.
func TestRoutesAreInTheContract(t *testing.T) {
	c := newCluster(t, 1)
	var routes []string
	err := chi.Walk(c.gates[0].routes().(chi.Routes), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	promised := spec.Routes(spec.Gateway)
	for _, r := range routes {
		if !slices.Contains(promised, r) {
			t.Errorf("%s is not in the contract: add it to pkg/contract/spec/operations.go, and run make contracts", r)
		}
	}
	for _, r := range promised {
		if !slices.Contains(routes, r) {
			t.Errorf("%s is in pkg/contract/spec/operations.go, and no route of the gateway", r)
		}
	}
}

func TestGatewayServesTheContracts(t *testing.T) {
	c := newCluster(t, 1)
	for path, field := range map[string]string{"/openapi.json": "openapi", "/asyncapi.json": "asyncapi"} {
		var doc map[string]any
		if status := c.rest("GET", path, "", "", &doc); status != http.StatusOK || doc[field] == nil {
			t.Errorf("GET %s: %d, %d fields", path, status, len(doc))
		}
	}
}
