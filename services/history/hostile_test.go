package history

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// Paths and parameters of every read are text: whatever stands there, no answer is a
// defect's, nothing is found by it, and the store is asked for ids alone.
func TestHostileQueries(t *testing.T) {
	f := newFixture(t)
	var mu sync.Mutex
	var wrong []string
	f.store.Inject(memstore.Fault{Op: memstore.OpAny, Kind: memstore.Pass, When: func(c memstore.Call) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range c.Keys {
			if !k.NS.Valid() || !k.Conv.Valid() {
				wrong = append(wrong, string(c.Op)+" "+string(k.Conv))
			}
		}
		if c.User != "" && !c.User.Valid() {
			wrong = append(wrong, string(c.Op)+" "+string(c.User))
		}
		return false
	}})
	list := revoke.New(revoke.Options{Store: f.store})
	h := f.handler(func(o *Options) { o.Revoked, o.Verifier = list, list.Guard(scoped{}) })
	group := string(f.group.Conv)
	texts := append([]string{`[$ne]`, `*`, `..`, `%24where`}, hostile.Texts...)
	texts = append(texts, hostile.Values...)
	tried := 0
	for _, op := range spec.Operations {
		if op.By&spec.History == 0 || op.Open || op.ID == "search" {
			continue
		}
		good := strings.NewReplacer("{conv}", group, "{seq}", "2", "{id}", group+"-2", "{device}", "d").Replace(op.Path)
		for _, text := range texts {
			for _, name := range []string{"{conv}", "{seq}", "{id}", "{device}"} {
				if !strings.Contains(op.Path, name) {
					continue
				}
				path := strings.NewReplacer(name, url.PathEscape(text), "{conv}", group, "{seq}", "2", "{id}", group+"-2", "{device}", "d").Replace(op.Path)
				tried++
				if a := ask(h, "GET", path, "_/alice"); a.status/100 != 4 {
					t.Errorf("GET %s: %d %s", path, a.status, a.body)
				}
			}
			for _, p := range op.Query {
				tried++
				target := good + "?" + url.QueryEscape(p.Name) + "=" + url.QueryEscape(text)
				a := ask(h, "GET", target, "_/alice")
				if p.Name == "redirect" {
					continue // anything but 0 is as if it was not there
				}
				if a.status/100 != 4 {
					t.Errorf("GET %s: %d %s", target, a.status, a.body)
				}
				// The way in which other frameworks make objects of parameters.
				if a := ask(h, "GET", good+"?"+url.QueryEscape(p.Name+"[$gt]")+"="+url.QueryEscape(text), "_/alice"); a.status >= 500 {
					t.Errorf("%s[$gt]: %d %s", p.Name, a.status, a.body)
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d cases", tried)
	}
	if len(wrong) > 0 {
		t.Errorf("the store was asked for %q", wrong)
	}
}
