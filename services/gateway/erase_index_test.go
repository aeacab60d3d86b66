package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// batch sends messages to the group, 100 at a time.
func (l *life) batch(user, cmid, text string, n int) {
	l.t.Helper()
	for from := 0; from < n; from += 100 {
		var list []string
		for i := range min(100, n-from) {
			list = append(list, fmt.Sprintf(`{"conv":%q,"cmid":"%s%d","body":{"text":%q}}`, l.group.Conv, cmid, from+i, text))
		}
		if status := l.rest("POST", "/v1/messages/batch", user, `{"messages":[`+strings.Join(list, ",")+`]}`, nil); status != http.StatusOK {
			l.t.Fatal(status)
		}
	}
}

// Who wrote little is found by the index, whatever the others wrote; who wrote more than
// a page of it, by the log; and both are gone.
func TestErasureReadsWhatItMust(t *testing.T) {
	for _, k := range []struct{ own, pages int }{{0, 0}, {7, 0}, {erasePage, 0}, {erasePage + 1, 5}} {
		t.Run(fmt.Sprint(k.own), func(t *testing.T) {
			c := newCluster(t, 1, brisk())
			l := &life{cluster: c, group: chat.Key{NS: chat.DefaultNS, Conv: c.group("bob", "alice")}}
			l.batch("bob", "b", "kept", 400)
			l.batch("alice", "a", secret, k.own)
			l.batch("bob", "c", "kept", 400)
			pages := c.store.Inject(memstore.Fault{Op: memstore.OpEntries, Kind: memstore.Pass, When: func(m memstore.Call) bool { return m.Client != "" }})
			before := pages.Hits()
			if got := l.erase("x"); got.State != wire.JobDone || got.Messages != k.own || got.Conversations != 1 {
				t.Errorf("%+v", got)
			}
			// One is to see whether anything is above the head; the clients of the test read, too.
			if n := pages.Hits() - before - 1; k.pages == 0 && n > 1 || n < k.pages {
				t.Errorf("%d reads of the log, want %d", n, k.pages)
			}
			for _, e := range l.log(l.group) {
				if e.Kind == chat.KindMessage && e.Gone != (e.From == "alice") {
					t.Fatalf("%+v", e)
				}
			}
		})
	}
}
