package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// operate does a request with the scope operator.
func (c *cluster) operate(method, path, body string, out any) int {
	c.t.Helper()
	token, err := c.signer.Sign(auth.Identity{User: "root", Scopes: []string{auth.ScopeOperator}}, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.urls[0]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK && out != nil {
		if err := json.UnmarshalRead(res.Body, out); err != nil {
			c.t.Fatal(err)
		}
	}
	return res.StatusCode
}

// fill sends messages to bob as alice, and edits the first.
func (c *cluster) fill(n int) chat.ConvID {
	c.t.Helper()
	k, _ := c.login(0, "alice", `{"type":"hello","device":"d1"}`)
	var conv chat.ConvID
	for i := range n {
		conv = k.sendTo("bob", fmt.Sprint("m", i+1), fmt.Sprint("text ", i+1)).Conv
	}
	k.acked(chat.Seq(n+1), `{"type":"edit","conv":%q,"target":1,"cmid":"e1","body":{"text":"text 1, edited"}}`, conv)
	return conv
}

// blanked checks that messages below the floor, and the edit of the first, are gone,
// that every entry is there, and that the rest is as it was.
func (c *cluster) blanked(conv chat.ConvID, floor, n chat.Seq) {
	c.t.Helper()
	for seq := chat.Seq(1); seq <= n+1; seq++ {
		e := c.stored(conv, seq)
		gone := seq < floor || seq == n+1 && floor > 1
		if e.Gone != gone || (e.Body == nil) != gone || e.CMID == "" || e.From != "alice" {
			c.t.Errorf("entry %d below the floor %d: %+v", seq, floor, e)
		}
	}
}

func retentionPath(conv chat.ConvID) string {
	return "/v1/conversations/" + string(conv) + "/retention"
}

func TestRetention(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Search = o.Store.(*memstore.Store).Search() })
	conv := c.fill(5)
	key := chat.Key{NS: chat.DefaultNS, Conv: conv}
	index := c.store.Search()
	gen, err := index.Generation(t.Context(), search.Version, *c.gates[0].epoch.Load(), false)
	if err != nil {
		t.Fatal(err)
	}
	e := c.stored(conv, 2)
	doc := search.NewDoc(key, 2, 2, e.From, e.Time, e.Body)
	if err := index.Index(gen).Apply(t.Context(), search.Batch{Docs: []search.Doc{doc}}); err != nil {
		t.Fatal(err)
	}
	var out wire.Retention
	if status := c.operate("PUT", retentionPath(conv), `{"floor":4}`, &out); status != http.StatusOK || out.Floor != 4 || out.Next != 0 {
		t.Fatalf("%d %+v", status, out)
	}
	c.blanked(conv, 4, 5)
	found, err := index.Index(gen).Find(t.Context(), search.Filter{NS: key.NS, In: []search.Scope{{Conv: conv, Start: 1}},
		Terms: []string{doc.Terms[0].Text}, Limit: 10, Look: 100})
	if err != nil || len(found.Hits) != 0 {
		t.Errorf("the index still has it: %+v, %v", found, err)
	}

	// It never goes back, and a repeat is the same.
	for _, in := range []string{`{"floor":2}`, `{"floor":4}`} {
		if status := c.operate("PUT", retentionPath(conv), in, &out); status != http.StatusOK || out.Floor != 4 {
			t.Fatalf("%d %+v", status, out)
		}
	}
	// What is gone cannot be edited; its cmid is still taken.
	k, _ := c.login(0, "alice", `{"type":"hello","device":"d1"}`)
	k.refused(chat.CodeNotFound, `{"type":"edit","conv":%q,"target":2,"cmid":"e2","body":{"text":"again"}}`, conv)
	if a := k.sendTo("bob", "m2", "text 2"); !a.Dup || a.Seq != 2 {
		t.Errorf("repeat: %+v", a)
	}
	// The count is of the log, which has lost nothing; unread is what can be read.
	part, err := c.gates[0].view.Access(t.Context(), key, "bob")
	if err != nil || part.Start != 4 {
		t.Fatalf("%+v, %v", part, err)
	}
	u, err := c.gates[0].view.Unread(t.Context(), part)
	if err != nil || u.Unread != 2 || u.Count != 5 || u.ReadCount != 3 || u.Floor != 4 {
		t.Errorf("unread %+v, %v", u, err)
	}
}

// Everything may go: then the part is empty until the next message.
func TestRetentionOfAll(t *testing.T) {
	c := newCluster(t, 1)
	conv := c.fill(3)
	key := chat.Key{NS: chat.DefaultNS, Conv: conv}
	in := fmt.Sprintf(`{"before":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	var out wire.Retention
	if status := c.operate("PUT", retentionPath(conv), in, &out); status != http.StatusOK || out.Floor != 5 {
		t.Fatalf("%d %+v", status, out)
	}
	for seq := chat.Seq(1); seq <= 4; seq++ {
		if e := c.stored(conv, seq); !e.Gone || e.Body != nil {
			t.Errorf("%+v", e)
		}
	}
	part, err := c.gates[0].view.Access(t.Context(), key, "bob")
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.gates[0].view.Conversation(t.Context(), part)
	if err != nil || w.Last != nil || w.Unread != 0 || w.Count != 3 || w.Floor != 5 {
		t.Errorf("%+v, %v", w, err)
	}
	if page, err := c.gates[0].view.Entries(t.Context(), part, view.Query{}); err != nil || len(page.Items) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err := c.gates[0].view.Messages(t.Context(), part, view.Query{}); err != nil || len(page.Items) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	// The next one is served, after a reset.
	k, _ := c.login(0, "alice", `{"type":"hello","device":"d1"}`)
	k.sendTo("bob", "m9", "after")
	b := c.connect(0, "bob")
	b.send(`{"type":"hello","device":"b1","resume":{"epoch":%q,"cursors":{%q:2}}}`, *c.gates[0].epoch.Load(), conv)
	if r := expect[*wire.Reset](b); r.Floor != 5 || r.Next != 5 {
		t.Errorf("%+v", r)
	}
	if e := expect[*wire.Entry](b); e.Seq != 5 {
		t.Errorf("%+v", e)
	}
}

func TestRetentionByAge(t *testing.T) {
	c := newCluster(t, 1)
	conv := c.fill(4)
	since := c.stored(conv, 1).Time
	want := chat.Seq(1)
	for c.stored(conv, want).Time.Before(since) {
		want++
	}
	in := fmt.Sprintf(`{"before":%q}`, since.Format(time.RFC3339Nano))
	var out wire.Retention
	if status := c.operate("PUT", retentionPath(conv), in, &out); status != http.StatusOK || out.Floor != want {
		t.Fatalf("%d %+v, want %d", status, out, want)
	}
}

func TestRetentionIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	conv := c.fill(3)
	for in, want := range map[string]int{
		`{"floor":6}`: 400, `{}`: 400, `{"floor":-1}`: 400, `{"floor":2,"before":"2024-01-01T00:00:00Z"}`: 400, `{"floor":2,"next":-1}`: 400,
	} {
		if status := c.operate("PUT", retentionPath(conv), in, nil); status != want {
			t.Errorf("%s: %d, want %d", in, status, want)
		}
	}
	if status := c.operate("PUT", retentionPath("g_aaaaaaaaaaaaaaaaaaaaaaaaaa"), `{"floor":1}`, nil); status != 404 {
		t.Errorf("of nothing: %d", status)
	}
	group := c.group("alice", "bob")
	for _, s := range []struct {
		user string
		conv chat.ConvID
		want int
	}{{"alice", conv, 403}, {"carol", conv, 404}, {"bob", group, 403}, {"carol", group, 404}, {"alice", group, 200}} {
		var out map[string]any
		if status := c.rest("PUT", retentionPath(s.conv), s.user, `{"floor":1}`, &out); status != s.want {
			t.Errorf("%s: %d, want %d", s.user, status, s.want)
		}
	}
	c.blanked(conv, 1, 3)
}

// A write that fails, or only its answer, leaves what a repeat finishes; and the
// floor holds from the first step on.
func TestRetentionIsFinishedByARepeat(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpRaiseFloor, memstore.OpBlank, memstore.OpSearchApply} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				c := newCluster(t, 1, func(o *Options) { o.Search = o.Store.(*memstore.Store).Search() })
				conv := c.fill(5)
				c.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1})
				if status := c.operate("PUT", retentionPath(conv), `{"floor":4}`, nil); status != http.StatusServiceUnavailable {
					t.Fatalf("%d, want 503", status)
				}
				part, err := c.gates[0].view.Access(t.Context(), chat.Key{NS: chat.DefaultNS, Conv: conv}, "bob")
				if applied := op != memstore.OpRaiseFloor || kind == memstore.FailApplied; err != nil || (part.Start == 4) != applied {
					t.Errorf("starts at %d, %v", part.Start, err)
				}
				if op == memstore.OpRaiseFloor {
					c.blanked(conv, 1, 5)
				}
				var out wire.Retention
				if status := c.operate("PUT", retentionPath(conv), `{"floor":4}`, &out); status != http.StatusOK || out.Next != 0 {
					t.Fatalf("%d %+v", status, out)
				}
				c.blanked(conv, 4, 5)
			})
		}
	}
}

// A pod that knows a message, and the floor of before, takes nothing that aims below
// the one that was raised on another pod; also where it must ask for it twice.
func TestRetentionHoldsOnEveryPodAtOnce(t *testing.T) {
	for _, faulty := range []bool{false, true} {
		t.Run(fmt.Sprint("a read fails ", faulty), func(t *testing.T) {
			c := newCluster(t, 2)
			conv := c.fill(5)
			alice, _ := c.login(1, "alice", `{"type":"hello","device":"d2"}`)
			bob, _ := c.login(1, "bob", "")
			alice.acked(7, `{"type":"edit","conv":%q,"target":2,"cmid":"w1","body":{"text":"warm"}}`, conv)
			alice.acked(8, `{"type":"edit","conv":%q,"target":4,"cmid":"w2","body":{"text":"warm"}}`, conv)
			if status := c.operate("PUT", retentionPath(conv), `{"floor":4}`, nil); status != http.StatusOK {
				t.Fatal(status)
			}
			for i, k := range []*conn{alice, bob, alice} {
				if faulty {
					c.store.Inject(memstore.Fault{Op: memstore.OpConversationsByKey, Kind: memstore.Fail, Times: 1})
				}
				k.refused(chat.CodeNotFound, []string{
					`{"type":"edit","conv":%q,"target":2,"cmid":"n1","body":{"text":"late"}}`,
					`{"type":"react","conv":%q,"target":2,"cmid":"n2","emoji":"👍","on":true}`,
					`{"type":"recall","conv":%q,"target":2,"cmid":"n3"}`}[i], conv)
			}
			// What was stored before is answered as ever; what is above the floor is taken.
			alice.send(`{"type":"edit","conv":%q,"target":2,"cmid":"w1","body":{"text":"warm"}}`, conv)
			if a := expect[*wire.Ack](alice); !a.Dup || a.Seq != 7 {
				t.Errorf("%+v", a)
			}
			alice.acked(9, `{"type":"edit","conv":%q,"target":4,"cmid":"y1","body":{"text":"still"}}`, conv)
			bob.acked(10, `{"type":"react","conv":%q,"target":5,"cmid":"y2","emoji":"👍","on":true}`, conv)
		})
	}
}
