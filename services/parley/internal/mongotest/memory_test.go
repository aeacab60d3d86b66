package mongotest_test

import (
	"testing"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/storetest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

// mongomem passes for a MongoDB, as far as the store looks.
func TestConformanceInMemory(t *testing.T) {
	server, err := mongotest.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, server, server.URI) })
}
