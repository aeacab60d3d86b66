package mongotest_test

import (
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// A write whose error speaks of the server keeps reads of the same process waiting until
// the driver has looked at the server again. The fault drill counts on it: it is why a
// device may lack an entry for longer where writes fail again and again.
func TestReadsWaitBehindAStruckWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault wireproxy.Fault
	}{
		{"no primary", wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary}},
		{"stepped down", wireproxy.Fault{Code: wireproxy.CodePrimarySteppedDown}},
		{"lost connection", wireproxy.Fault{Apply: true, Cut: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			looks, unsettled := 0, 0
			server := memory(t)
			proxy, uri := server.Proxy(t, wireproxy.Options{
				Observe: func(command bson.Raw) {
					mu.Lock()
					defer mu.Unlock()
					if first, err := command.IndexErr(0); err == nil && first.Key() == "hello" && unsettled > 0 {
						looks++
					}
				},
				Struck: func(f *wireproxy.Fault) {
					mu.Lock()
					defer mu.Unlock()
					if f.Unsettles() {
						unsettled++
					}
				},
			})
			st := open(t, server, uri)
			const rounds = 3
			for range rounds {
				f := c.fault
				f.Command, f.Collection = "insert", "messages"
				hit := proxy.Inject(f)
				st.Append(t.Context(), store.Batch{Entries: []chat.Entry{message(group("a"), 1)}})
				<-hit
				if _, err := st.Entries(t.Context(), group("a"), store.Range{Limit: 10}); err != nil {
					t.Fatal(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			// One look may have been under way when the first write was struck.
			if looks < rounds-1 || unsettled != rounds {
				t.Errorf("in %d rounds %d writes unsettled the driver, which looked %d times at the server", rounds, unsettled, looks)
			}
		})
	}
	if (&wireproxy.Fault{Apply: true, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout}).Unsettles() {
		t.Error("a write without a majority does not speak of the server")
	}
}
