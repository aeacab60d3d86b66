package costs

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
)

// usage is what something cost: how many of what.
type usage map[string]count

// count is how many calls, and how many documents they looked at and wrote.
type count struct{ calls, examined, written int }

func (u usage) calls() int {
	n := 0
	for _, c := range u {
		n += c.calls
	}
	return n
}

// backend is a store that tells what is asked of it.
type backend interface {
	open(t *testing.T) allinone.Store
	// total is everything so far that clients caused.
	total() usage
}

// memory counts the calls on the port.
type memory struct{ store *memstore.Store }

type searchable struct{ *memstore.Store }

func (s searchable) Search() search.Store { return s.Store.Search() }

// background is what pods do whether there are clients or not.
var background = map[memstore.Op]bool{
	memstore.OpRevocations: true, memstore.OpDropRevocations: true,
	memstore.OpRegister: true, memstore.OpPods: true, memstore.OpForget: true, memstore.OpReadJournal: true, memstore.OpTrimJournal: true,
	memstore.OpMeta: true, memstore.OpPing: true, memstore.OpDueAttachments: true, memstore.OpClaimJobs: true, memstore.OpCountJobs: true, memstore.OpForgetJobs: true,
}

func (b *memory) open(*testing.T) allinone.Store {
	b.store = memstore.New(memstore.Options{})
	return searchable{b.store}
}

func (b *memory) total() usage {
	u := usage{}
	for op, n := range b.store.AllCalls() {
		if !background[op] && (!strings.HasPrefix(string(op), "search:") || op == memstore.OpSearchFind) {
			u[string(op)] = count{calls: n}
		}
	}
	return u
}

// mongo counts the commands that a MongoDB-wire server gets.
type mongo struct {
	mu   sync.Mutex
	used usage
}

func (b *mongo) open(t *testing.T) allinone.Store {
	t.Helper()
	b.used = usage{}
	server, err := mongotest.OpenObserved(b.observe)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := mongostore.Open(t.Context(), mongostore.Options{URI: server.URI, Database: "costs", Logger: slog.New(slog.DiscardHandler)})
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

func (b *mongo) observe(c mongomem.Command) {
	by := ""
	if len(c.Indexes) > 0 {
		by = " by " + strings.Join(c.Indexes, " and ")
	}
	switch {
	case c.Collection == "pods", c.Collection == "meta", c.Collection == "revocations", c.Name == "create", c.Name == "createIndexes":
		return
	case c.Collection == "journal" && c.Name != "insert" && c.Name != "update":
		return
	case c.Collection == "jobs" && c.Name == "find" && by != " by _id":
		return
	case c.Collection == "attachments" && by == " by due_1", strings.HasPrefix(c.Collection, "search") && (c.Name != "find" || by == " by _id"):
		return // the index is fed in the background, and looked for once a second
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := c.Name + " `" + c.Collection + "`" + by
	n := b.used[name]
	b.used[name] = count{n.calls + 1, n.examined + c.Examined, n.written + c.Written}
}

func (b *mongo) total() usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.used)
}

// minus is what came after before.
func (u usage) minus(before usage) usage {
	d := usage{}
	for name, c := range u {
		b := before[name]
		if c.calls > b.calls {
			d[name] = count{c.calls - b.calls, c.examined - b.examined, c.written - b.written}
		}
	}
	return d
}

// String is for a cell of a table.
func (u usage) String() string {
	if len(u) == 0 {
		return "nothing"
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(u)) {
		c, text := u[name], name
		if c.calls > 1 {
			text = thousands(c.calls) + " × " + text
		}
		var docs []string
		if c.examined > 0 && c.written == 0 {
			docs = append(docs, thousands(c.examined)+" read")
		}
		if c.written > 0 {
			docs = append(docs, thousands(c.written)+" written")
		}
		if len(docs) > 0 {
			text += " (" + strings.Join(docs, ", ") + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = fmt.Sprintf("%s,%s", s[:i], s[i:])
	}
	return s
}
