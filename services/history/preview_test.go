package history

import (
	"fmt"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// The list shows a conversation's latest message as it is now: as edited, and without
// its text once it is taken back.
func TestListShowsEdits(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	list := func(user string) (group, direct *wire.Last) {
		t.Helper()
		items := decode[wire.List[wire.Conversation]](t, ask(h, "GET", "/v1/conversations", "_/"+user)).Items
		for _, c := range items {
			switch c.Conv {
			case f.group.Conv:
				group = c.Last
			case f.direct.Conv:
				direct = c.Last
			}
		}
		if len(items) != 2 || group == nil || direct == nil || group.Seq != 4 || direct.Seq != 1 {
			t.Fatalf("%+v", items)
		}
		return group, direct
	}
	put := func(e chat.Entry) {
		t.Helper()
		e.From, e.CMID, e.MV, e.Members = "bob@x.org", chat.CMID(fmt.Sprint("c", e.Seq)), 3, 2
		if a := f.store.Append(t.Context(), store.Batch{Entries: []chat.Entry{e}}); a.Err != nil || a.Outcomes[0] != store.Stored {
			t.Fatal(a.Outcomes, a.Err)
		}
	}
	expect := func(group, direct string) {
		t.Helper()
		for _, user := range []string{"alice", "bob@x.org"} {
			if g, d := list(user); g.Text != group || d.Text != direct {
				t.Errorf("%s sees %q and %q, want %q and %q", user, g.Text, d.Text, group, direct)
			}
		}
	}
	put(chat.Entry{Key: f.group, Seq: 5, Kind: chat.KindEdited, Count: 2, Target: 4, Body: []byte(`{"text":"of us"}`)})
	expect("of us", "hi")
	put(chat.Entry{Key: f.direct, Seq: 2, Kind: chat.KindEdited, Count: 1, Target: 1, Body: []byte(`{"text":"hello"}`)})
	put(chat.Entry{Key: f.direct, Seq: 3, Kind: chat.KindEdited, Count: 1, Target: 1, Body: []byte(`{"text":"hello again"}`)})
	put(chat.Entry{Key: f.group, Seq: 6, Kind: chat.KindEdited, Count: 2, Target: 2, Body: []byte(`{"text":"an older one"}`)})
	expect("of us", "hello again")
	put(chat.Entry{Key: f.direct, Seq: 4, Kind: chat.KindRecalled, Count: 1, Target: 1})
	expect("of us", "")
}
