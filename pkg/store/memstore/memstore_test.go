package memstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTwoSteps(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New(memstore.Options{}) })
}

func TestAtomic(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New(memstore.Options{Atomic: true}) })
}

// TestShared runs the suite as it runs on a database: one for all tests.
func TestShared(t *testing.T) {
	s := memstore.New(memstore.Options{})
	storetest.Run(t, func(*testing.T) store.Store { return s })
}
