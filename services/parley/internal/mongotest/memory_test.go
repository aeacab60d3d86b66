package mongotest_test

import (
	"testing"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/search/searchtest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/storetest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

// mongomem passes for a MongoDB, as far as the store looks.
func TestConformanceInMemory(t *testing.T) {
	server := memory(t)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, server, server.URI) })
}

// And as far as search does.
func TestSearchContractInMemory(t *testing.T) {
	server := memory(t)
	st := open(t, server, server.URI)
	searchtest.Run(t, func(*testing.T) (search.Store, searchtest.Data) { return st.Search(), st })
}

func memory(t *testing.T) *mongotest.Server {
	t.Helper()
	server, err := mongotest.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
