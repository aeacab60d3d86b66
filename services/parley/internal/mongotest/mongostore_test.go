package mongotest_test

import (
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
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

// TestWideBatch finishes more conversations than one command carries.
func TestWideBatch(t *testing.T) {
	server := mongotest.Start(t)
	st := open(t, server, server.URI)
	const wide = 120
	var b store.Batch
	var keys []chat.Key
	want := make([]store.Outcome, wide)
	for i := range wide {
		key := group(fmt.Sprint("wide", i))
		if err := st.Create(t.Context(), chat.Conversation{Key: key, Kind: chat.Group}, nil); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		b.Entries = append(b.Entries, message(key, 1))
		want[i] = store.Stored
	}
	expect(t, st.Append(t.Context(), b), want...)
	if err := st.Finish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	convs, err := st.ConversationsByKey(t.Context(), keys)
	if err != nil || len(convs) != wide {
		t.Fatalf("%d conversations, %v", len(convs), err)
	}
	for _, c := range convs {
		if c.Last.Seq != 1 || c.Preview.Text != "text 1" {
			t.Errorf("%s: last %+v, preview %+v", c.Conv, c.Last, c.Preview)
		}
	}
}
