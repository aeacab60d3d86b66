package mongotest_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// A question is asked again after a lost connection or a change of primary, once; an
// error of another kind is one.
func TestSearchIsAskedAgain(t *testing.T) {
	server := memory(t)
	proxy, uri := server.Proxy(t, wireproxy.Options{})
	st := open(t, server, uri)
	g, err := st.Search().Generation(t.Context(), 1, "epoch", false)
	if err != nil {
		t.Fatal(err)
	}
	index := st.Search().Index(g)
	key := chat.Key{NS: "t", Conv: "g_1"}
	doc := search.Doc{Key: key, Seq: 1, Rev: 1, Time: time.UnixMilli(1), Len: 1, Terms: []search.Term{{Text: "word", N: 1}}}
	if err := index.Apply(t.Context(), search.Batch{Docs: []search.Doc{doc}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		fault wireproxy.Fault
		ok    bool
	}{
		{"cut before", wireproxy.Fault{Cut: true}, true},
		{"lost answer", wireproxy.Fault{Apply: true, Cut: true}, true},
		{"no primary", wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary}, true},
		{"stepped down, twice", wireproxy.Fault{Code: wireproxy.CodePrimarySteppedDown, Times: 2}, false},
		{"out of time", wireproxy.Fault{Code: 50}, false},
		{"refused", wireproxy.Fault{Code: 2}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fault.Command, c.fault.Collection = "find", "search_1"
			struck := proxy.Inject(c.fault)
			defer proxy.Heal()
			found, err := index.Find(t.Context(), search.Filter{NS: "t", In: []search.Scope{{Conv: key.Conv}}, Terms: []string{"word"}, Limit: 5, Look: 100})
			if (err == nil) != c.ok || c.ok && len(found.Hits) != 1 {
				t.Errorf("%d hits, %v", len(found.Hits), err)
			}
			for range max(c.fault.Times, 1) {
				<-struck
			}
		})
	}
}
