package mongotest_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
)

// finds are the finds in the search index since the last look.
type finds struct {
	mu   sync.Mutex
	list []mongomem.Command
}

func (f *finds) observe(c mongomem.Command) {
	if !strings.HasPrefix(c.Collection, "search_") || c.Name != "find" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, c)
}

func (f *finds) take() (list []mongomem.Command) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, f.list = f.list, nil
	return list
}

// boundsConvs are more than one command names.
const (
	boundsConvs = 120
	boundsDocs  = 12_000
)

// boundsTime is how long a question may take: a busy machine looks at thousands of
// places for more than the default.
const boundsTime = 2 * time.Minute

func boundsIndex(t *testing.T, seen *finds) search.Index {
	t.Helper()
	server, err := mongotest.OpenObserved(seen.observe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	st, err := mongostore.Open(t.Context(), mongostore.Options{
		URI: server.URI, Database: server.Database(t), Timeout: boundsTime, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	g, err := st.Search().Generation(t.Context(), 1, "epoch", false)
	if err != nil {
		t.Fatal(err)
	}
	index := st.Search().Index(g)
	for from := 0; from < boundsDocs; from += 1000 {
		var b search.Batch
		for i := from; i < from+1000; i++ {
			seq := chat.Seq(i/boundsConvs + 1)
			d := search.Doc{Key: chat.Key{NS: "t", Conv: boundsConv(i % boundsConvs)}, Seq: seq, Rev: seq, Time: time.UnixMilli(int64(i)), Len: 2}
			d.Terms = []search.Term{{Text: "all", N: 1}, {Text: [2]string{"even", "odd"}[i/boundsConvs%2], N: 1}}
			if i%4000 == 7 {
				d.Terms = append(d.Terms, search.Term{Text: "rare", N: 1})
			}
			b.Docs = append(b.Docs, d)
		}
		if err := index.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return index
}

func boundsConv(i int) chat.ConvID { return chat.ConvID(fmt.Sprintf("g_%026d", i)) }

// What a question asks of the server is bounded, whatever it finds.
func TestSearchIsBounded(t *testing.T) {
	seen := &finds{}
	index := boundsIndex(t, seen)
	everywhere := make([]search.Scope, boundsConvs)
	late := make([]search.Scope, boundsConvs)
	for i := range everywhere {
		everywhere[i] = search.Scope{Conv: boundsConv(i)}
		late[i] = search.Scope{Conv: boundsConv(i), Start: 1 << 40}
	}
	for _, c := range []struct {
		name            string
		terms           []string
		in              []search.Scope
		look            int
		hits            int
		keys, documents int // at most
	}{
		{"one term", []string{"all"}, everywhere, 50_000, 20, 2 * 21, 0},
		{"a term that is nowhere", []string{"none"}, everywhere, 50_000, 0, 0, 0},
		{"the rare one last", []string{"all", "rare"}, everywhere, 50_000, 3, 4 * 501, 3},
		{"the rare one first", []string{"rare", "all"}, everywhere, 50_000, 3, 4 * 501, 3},
		{"two that never meet", []string{"even", "odd"}, everywhere, 50_000, 0, 3 * boundsDocs, boundsDocs},
		{"two that never meet, looking at little", []string{"even", "odd"}, everywhere, 1000, 0, 2 * (2*501 + 500), 2 * 500},
		{"out of the scopes", []string{"all"}, late, 50_000, 0, boundsDocs, 0},
		{"out of the scopes, looking at little", []string{"all"}, late, 500, 0, 2 * (250 + 21), 0},
		{"two terms, out of the scopes", []string{"all", "even"}, late, 500, 0, 2 * (2*251 + 2*250), 2 * 250},
	} {
		f := search.Filter{NS: "t", Terms: c.terms, In: c.in, Limit: 20, Look: c.look}
		seen.take()
		found, err := index.Find(t.Context(), f)
		if err != nil || len(found.Hits) != c.hits {
			t.Errorf("%s: %d hits, %v", c.name, len(found.Hits), err)
		}
		var keys, documents int
		for _, cmd := range seen.take() {
			keys += cmd.Keys
			documents += cmd.Examined
			if cmd.Sorted > 0 || !slices.Equal(cmd.Indexes, []string{"c_1_w_1_o_1"}) {
				t.Errorf("%s: %+v", c.name, cmd)
			}
			if cmd.MaxTime <= 0 || cmd.MaxTime > boundsTime {
				t.Errorf("%s: the server may work for %s", c.name, cmd.MaxTime)
			}
		}
		if keys > c.keys || documents > c.documents {
			t.Errorf("%s: %d places and %d documents, at most %d and %d", c.name, keys, documents, c.keys, c.documents)
		}
	}
}
