package mongotest_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/store/storetest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	server := mongotest.Start(t)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, server, server.URI) })
}

// open opens a store with a database of its own, by the server's URI or one that
// leads through a proxy.
func open(t *testing.T, server *mongotest.Server, uri string) *mongostore.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Options{
		URI: uri, Database: server.Database(t), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
