package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

var eraseAny = []string{auth.ScopeEraseAny}

// secret is in every text that is to be erased, and in no other.
const secret = "qzxsecret"

// life is what alice has left: a group and a direct conversation of texts, edits,
// files, settings and devices.
type life struct {
	*cluster
	group, direct chat.Key
	files         []chat.AttachmentID
	texts         int // of alice's messages
}

func (c *cluster) send(user, where, cmid, text string) *wire.Ack {
	c.t.Helper()
	var a wire.Ack
	if status := c.rest("POST", "/v1/messages", user, fmt.Sprintf(`{%s,"cmid":%q,"body":{"text":%q}}`, where, cmid, text), &a); status != http.StatusOK {
		c.t.Fatalf("send: %d", status)
	}
	return &a
}

// sendFile sends, or edits, with a file.
func (l *life) sendFile(method, path, in, where, cmid string) *wire.Ack {
	l.t.Helper()
	id := l.upload("alice", where, "file-"+cmid, []byte(secret+cmid))
	l.files = append(l.files, id)
	var a wire.Ack
	body := fmt.Sprintf(`{%s"cmid":%q,"body":{"text":"%s with a file","attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, in, cmid, secret, id)
	if status := l.rest(method, path, "alice", body, &a); status != http.StatusOK {
		l.t.Fatalf("%s %s: %d", method, path, status)
	}
	return &a
}

func newLife(c *cluster) *life {
	c.t.Helper()
	l := &life{cluster: c}
	l.group = chat.Key{NS: chat.DefaultNS, Conv: c.group("bob", "alice", "carol")}
	inGroup := fmt.Sprintf(`"conv":%q`, l.group.Conv)
	path := "/v1/conversations/" + string(l.group.Conv)
	edit := func(seq chat.Seq, cmid string) {
		in := fmt.Sprintf(`{"cmid":%q,"body":{"text":"edited %s"}}`, cmid, secret)
		if status := c.rest("PATCH", fmt.Sprintf("%s/messages/%d", path, seq), "alice", in, nil); status != http.StatusOK {
			c.t.Fatalf("edit: %d", status)
		}
	}
	first := c.send("alice", inGroup, "m1", "first "+secret).Seq
	c.send("bob", inGroup, "b1", "kept one")
	edit(first, "e1")
	l.sendFile("POST", "/v1/messages", inGroup+",", inGroup, "m2")
	var more []string
	for i := range 260 { // several pages
		more = append(more, fmt.Sprintf(`{%s,"cmid":"x%d","body":{"text":"kept %d"}}`, inGroup, i, i))
	}
	if status := c.rest("POST", "/v1/messages/batch", "bob", `{"messages":[`+strings.Join(more, ",")+`]}`, nil); status != http.StatusOK {
		c.t.Fatal(status)
	}
	// The only file of this one is in an edit, pages away, which is then edited itself.
	l.sendFile("PATCH", fmt.Sprintf("%s/messages/%d", path, first), "", inGroup, "e2")
	edit(first, "e3")
	l.direct = chat.Key{NS: chat.DefaultNS, Conv: c.send("alice", `"to":"bob"`, "d1", "to bob "+secret).Conv}
	c.send("bob", `"to":"alice"`, "d2", "kept two")
	preview := c.send("alice", `"to":"bob"`, "d3", "again "+secret)
	path = "/v1/conversations/" + string(l.direct.Conv)
	edit(preview.Seq, "e4")
	l.texts = 4
	for path, in := range map[string]string{"/v1/me": `{"hide_read":true}`, "/v1/conversations/" + string(l.group.Conv) + "/me": `{"pinned":true,"muted":true}`} {
		if status := c.rest("PATCH", path, "alice", in, nil); status != http.StatusOK {
			c.t.Fatal(path, status)
		}
	}
	if status := c.rest("PUT", "/v1/blocks/mallory", "alice", "", nil); status != http.StatusOK {
		c.t.Fatal(status)
	}
	return l
}

// index puts all messages into the search index, as history would.
func (l *life) index() search.Index {
	l.t.Helper()
	gen, err := l.store.Search().Generation(l.t.Context(), search.Version, *l.gates[0].epoch.Load(), false)
	if err != nil {
		l.t.Fatal(err)
	}
	index := l.store.Search().Index(gen)
	for _, key := range []chat.Key{l.group, l.direct} {
		for _, e := range l.log(key) {
			if e.Kind == chat.KindMessage {
				doc := search.NewDoc(key, e.Seq, e.Seq, e.From, e.Time, e.Body)
				if err := index.Apply(l.t.Context(), search.Batch{Docs: []search.Doc{doc}}); err != nil {
					l.t.Fatal(err)
				}
			}
		}
	}
	return index
}

func (l *life) log(key chat.Key) []chat.Entry {
	l.t.Helper()
	list, err := l.store.Entries(l.t.Context(), key, store.Range{Limit: 1000})
	if err != nil {
		l.t.Fatal(err)
	}
	return list
}

func (l *life) found(index search.Index) int {
	l.t.Helper()
	found, err := index.Find(l.t.Context(), search.Filter{NS: chat.DefaultNS, Terms: []string{secret}, Limit: 50, Look: 1000,
		In: []search.Scope{{Conv: l.group.Conv, Start: 1}, {Conv: l.direct.Conv, Start: 1}}})
	if err != nil {
		l.t.Fatal(err)
	}
	return len(found.Hits)
}

// everything is all that can be read of the two conversations, as text.
func (l *life) everything() string {
	l.t.Helper()
	var all bytes.Buffer
	add := func(v any, err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
		all.Write(wire.Encode(v))
	}
	ctx, r := l.t.Context(), l.gates[len(l.gates)-1].view
	for _, key := range []chat.Key{l.group, l.direct} {
		for _, e := range l.log(key) {
			all.Write(e.Body)
			folds, err := l.store.Folds(ctx, key, []chat.Seq{e.Seq})
			if f := folds[e.Seq]; f.Edited != nil {
				all.Write(f.Edited.Body)
			}
			add(e.Kind, err)
		}
		convs, err := l.store.ConversationsByKey(ctx, []chat.Key{key})
		add(convs[0].Preview, err)
		for _, user := range []chat.User{"alice", "bob"} {
			part, err := r.Access(ctx, key, user)
			if err != nil {
				l.t.Fatal(err)
			}
			c, err := r.Conversation(ctx, part)
			add(c, err)
			for after := chat.Seq(0); after < part.End; after += 200 {
				raw, err := r.Entries(ctx, part, view.Query{After: &after, Limit: 200})
				add(raw, err)
				folded, err := r.Messages(ctx, part, view.Query{After: &after, Limit: 200})
				add(folded, err)
			}
		}
	}
	for _, user := range []chat.User{"alice", "bob"} {
		part, err := view.Export(ctx, l.store, chat.Limits{}, chat.DefaultNS, user, "")
		add(string(part), err)
	}
	return all.String()
}

func (l *life) erase(cmid string) wire.Erasure {
	l.t.Helper()
	var e wire.Erasure
	if status := l.as("root", eraseAny, 0, "POST", "/v1/users/alice/erase", fmt.Sprintf(`{"cmid":%q}`, cmid), &e); status != http.StatusAccepted || e.User != "alice" {
		l.t.Fatalf("%d %+v", status, e)
	}
	j := l.ended(e.ID)
	out, err := job.ShowErasure(&j)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// gone checks that nothing of alice's is left, and all of the others'.
func (l *life) gone(index search.Index, objects func() []string) {
	l.t.Helper()
	ctx := l.t.Context()
	if all := l.everything(); strings.Contains(all, secret) {
		i := strings.Index(all, secret)
		l.t.Errorf("left: …%s…", all[max(0, i-300):i+50])
	} else if n := strings.Count(all, "kept"); n < 4*262 {
		l.t.Errorf("of the others' texts %d are left", n)
	}
	if n := l.found(index); n != 0 {
		l.t.Errorf("the index finds %d", n)
	}
	if files, err := l.store.AttachmentsByID(ctx, chat.DefaultNS, l.files); err != nil || len(files) != 0 {
		l.t.Errorf("files: %+v, %v", files, err)
	}
	if left := objects(); len(left) != 0 {
		l.t.Errorf("objects: %v", left)
	}
	for _, key := range []chat.Key{l.group, l.direct} {
		for i, e := range l.log(key) {
			if e.Seq != chat.Seq(i+1) || e.CMID == "" {
				l.t.Errorf("a hole, or no stub: %+v", e)
			}
			if text := e.Kind == chat.KindMessage || e.Kind == chat.KindEdited; text && e.Gone != (e.From == "alice") {
				l.t.Errorf("gone %v: %+v", e.Gone, e)
			}
		}
		m, err := l.store.MembersByUser(ctx, key, []chat.User{"alice"})
		if set := m[0].Settings; err != nil || set.Muted || set.Pinned || set.Archived || len(m[0].Recv) != 0 {
			l.t.Errorf("member %+v, %v", m, err)
		}
	}
	if p, err := l.store.Profiles(ctx, chat.DefaultNS, []chat.User{"alice"}); err != nil || p["alice"].HideRead {
		l.t.Errorf("profile %+v, %v", p, err)
	}
	if b, err := l.store.Blocks(ctx, chat.DefaultNS, "alice", "", 10); err != nil || len(b) != 0 {
		l.t.Errorf("blocks %+v, %v", b, err)
	}
	if d, err := l.store.Devices(ctx, chat.DefaultNS, "alice"); err != nil || len(d) != 0 {
		l.t.Errorf("devices %+v, %v", d, err)
	}
}

// bothWays tries an erasure by the index of who wrote what, and by reading logs.
func bothWays(t *testing.T, try func(t *testing.T, way func(*Options))) {
	t.Run("by index", func(t *testing.T) { try(t, func(*Options) {}) })
	t.Run("by logs", func(t *testing.T) { try(t, func(o *Options) { o.logsOnly = true }) })
}

func TestErasure(t *testing.T) { bothWays(t, testErasure) }

func testErasure(t *testing.T, way func(*Options)) {
	c, srv, _ := fileCluster(t, 2, brisk(), way, func(o *Options) { o.Search = c0(o).Search() })
	l := newLife(c)
	index := l.index()
	phone, _ := c.login(1, "alice", `{"type":"hello","device":"phone"}`)
	phone.send(`{"type":"recv","conv":%q,"seq":1}`, l.group.Conv)
	expect[*wire.Receipt](phone)
	if !strings.Contains(l.everything(), secret) || l.found(index) == 0 || len(l.files) != 2 || len(srv.Names()) == 0 {
		t.Fatal("there is nothing to erase")
	}
	// Those who are connected keep the latest frames of a conversation in their pod.
	bob, _ := c.login(1, "bob", "")
	c.send("alice", `"to":"bob"`, "d4", "ring "+secret)
	l.texts++
	expect[*wire.Entry](bob)
	got := l.erase("x1")
	if got.State != wire.JobDone || got.Messages != l.texts || got.Conversations != 2 || got.Finished.IsZero() {
		t.Errorf("%+v", got)
	}
	l.gone(index, srv.Names)
	told := map[chat.ConvID]chat.Seq{}
	for len(told) < 2 { // each is said twice
		f := expect[*wire.Erased](bob)
		if told[f.Conv] = f.Seq; f.User != "alice" {
			t.Errorf("%+v", f)
		}
	}
	if told[l.group.Conv] != chat.Seq(len(l.log(l.group))) || told[l.direct.Conv] != chat.Seq(len(l.log(l.direct))) {
		t.Errorf("told %v", told)
	}
	if code := phone.closed(); code != 4401 {
		t.Errorf("the device's session ended with %d", code)
	}
	// Whoever comes to that pod now is not shown what it has kept.
	_, missed := c.login(1, "bob", `{"type":"hello","device":"new","flush":10}`)
	for _, e := range missed {
		if bytes.Contains(e.Body, []byte(secret)) {
			t.Errorf("%+v", e)
		}
	}
	// What is written afterwards is a new life; the erasure is not repeated.
	c.send("alice", `"to":"bob"`, "d5", "a new life")
	if again := l.erase("x1"); again.ID != got.ID || again.Messages != got.Messages {
		t.Errorf("%+v", again)
	}
	if !strings.Contains(l.everything(), "a new life") {
		t.Error("the new message is gone, too")
	}
	if status := c.as("root", eraseAny, 0, "POST", "/v1/users/bob/erase", `{"cmid":"x1"}`, nil); status != http.StatusConflict {
		t.Errorf("of another user with the same cmid: %d", status)
	}
	if again := l.erase("x2"); again.ID == got.ID || again.Messages != l.texts+1 {
		t.Errorf("%+v", again)
	}
	if strings.Contains(l.everything(), "a new life") {
		t.Error("the second erasure left something")
	}
}

// c0 is the store of a pod.
func c0(o *Options) *memstore.Store { return o.Store.(*memstore.Store) }

// A pod to which the bus loses that something was erased hears it again.
func TestErasureWithALossyBus(t *testing.T) {
	c := newCluster(t, 2, brisk())
	l := &life{cluster: c}
	bob, _ := c.login(1, "bob", "")
	c.send("alice", `"to":"bob"`, "m1", secret)
	expect[*wire.Entry](bob)
	lost := 0
	c.bus.set(func() {
		c.bus.drop = func(topic bus.Topic, data []byte) bool {
			if topic != bus.TopicControl || !bytes.Contains(data, []byte(`"erased":`)) || lost > 0 {
				return false
			}
			lost++
			return true
		}
	})
	l.erase("x1")
	if f := expect[*wire.Erased](bob); f.User != "alice" || f.Seq != 1 {
		t.Errorf("%+v", f)
	}
}

// Nobody is left out: users without anything, and those who have left.
func TestErasureOfWhoHasLeft(t *testing.T) {
	c := newCluster(t, 1, brisk())
	l := &life{cluster: c}
	if got := l.erase("x0"); got.State != wire.JobDone || got.Messages != 0 {
		t.Errorf("%+v", got)
	}
	conv := c.group("bob", "alice")
	c.send("alice", fmt.Sprintf(`"conv":%q`, conv), "m1", secret)
	if status := c.rest("DELETE", "/v1/conversations/"+string(conv)+"?cmid=l", "alice", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if got := l.erase("x1"); got.State != wire.JobDone || got.Messages != 1 {
		t.Errorf("%+v", got)
	}
	for _, e := range l.log(chat.Key{NS: chat.DefaultNS, Conv: conv}) {
		if bytes.Contains(e.Body, []byte(secret)) {
			t.Errorf("%+v", e)
		}
	}
}

// What a pod that died has stored, and told nobody, does not come to light later.
func TestErasureOfWhatIsNotFinished(t *testing.T) {
	c := newCluster(t, 2, brisk())
	l := &life{cluster: c, direct: chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, "alice", "bob")}}
	c.send("alice", `"to":"bob"`, "m1", "first "+secret)
	dead := c.store.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod0" }})
	work := c.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod0" }})
	alice, _ := c.login(0, "alice", "")
	alice.send(`{"type":"send","to":"bob","cmid":"m2","body":{"text":"second %s"}}`, secret)
	if err := dead.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := l.erase("x1"); got.State != wire.JobDone || got.Messages != 2 {
		t.Errorf("%+v", got)
	}
	list := l.log(l.direct)
	for _, e := range list {
		if !e.Gone || e.Body != nil {
			t.Errorf("%+v", e)
		}
	}
	if len(list) != 2 {
		t.Errorf("%d entries", len(list))
	}
	dead.Remove()
	work.Remove()
	if a := c.send("alice", `"to":"bob"`, "m2", "second "+secret); a.Seq != 2 || !a.Dup { // it was alive after all
		t.Errorf("%+v", a)
	}
	if e := l.log(l.direct)[1]; !e.Gone {
		t.Errorf("%+v", e)
	}
}

// Where others write all the time an erasure ends all the same.
func TestErasureAmongWriters(t *testing.T) { bothWays(t, testErasureAmongWriters) }

func testErasureAmongWriters(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, brisk(), tireless, way)
	l := &life{cluster: c, group: chat.Key{NS: chat.DefaultNS, Conv: c.group("bob", "alice")}}
	for i := range 20 {
		c.send("alice", fmt.Sprintf(`"conv":%q`, l.group.Conv), fmt.Sprint("m", i), secret)
	}
	bob, _ := c.login(1, "bob", "")
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			bob.send(`{"type":"send","conv":%q,"cmid":"b%d","body":{"text":"kept"}}`, l.group.Conv, i)
			expect[*wire.Ack](bob)
		}
	})
	for i := range 5 {
		if got := l.erase(fmt.Sprint("x", i)); got.State != wire.JobDone || got.Messages != 20 || got.Failure != "" {
			t.Errorf("%+v", got)
		}
	}
	close(stop)
	writing.Wait()
	for _, e := range l.log(l.group) {
		if text := e.Kind == chat.KindMessage; text && e.Gone != (e.From == "alice") {
			t.Fatalf("%+v", e)
		}
	}
	if failures := c.gates[0].Stats().Jobs.Failures + c.gates[1].Stats().Jobs.Failures; failures != 0 {
		t.Errorf("%d steps failed", failures)
	}
}

// Whatever write fails, or only its answer, nothing is left in the end.
func TestErasureUnderEveryFault(t *testing.T) { bothWays(t, testErasureUnderEveryFault) }

func testErasureUnderEveryFault(t *testing.T, way func(*Options)) {
	for _, op := range []memstore.Op{memstore.OpPutProfile, memstore.OpPutBlock, memstore.OpDropDevice, memstore.OpConfigure, memstore.OpBlank,
		memstore.OpSearchApply, memstore.OpUpdateAttachment, memstore.OpDeleteAttachment, memstore.OpSaveJob, memstore.OpClaimJobs} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				t.Parallel()
				c, srv, _ := fileCluster(t, 2, brisk(), mortal, way, func(o *Options) { o.Search = c0(o).Search() })
				l := newLife(c)
				c.login(1, "alice", `{"type":"hello","device":"phone"}`)
				index := l.index()
				hit := c.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1})
				got := l.erase("x1")
				if got.State != wire.JobDone || got.Messages != l.texts || got.Conversations != 2 || hit.Hits() != 1 {
					t.Errorf("%+v, %d hits", got, hit.Hits())
				}
				l.gone(index, srv.Names)
			})
		}
	}
}

// A pod that is killed anywhere in an erasure leaves nothing undone.
func TestErasureSurvivesItsPod(t *testing.T) { bothWays(t, testErasureSurvivesItsPod) }

func testErasureSurvivesItsPod(t *testing.T, way func(*Options)) {
	for _, k := range []struct {
		op   memstore.Op
		kind memstore.Kind
		skip int
	}{
		{memstore.OpDropDevice, memstore.FailApplied, 0}, {memstore.OpSaveJob, memstore.Fail, 1}, {memstore.OpBlank, memstore.FailApplied, 0},
		{memstore.OpBlank, memstore.Fail, 1}, {memstore.OpSearchApply, memstore.Fail, 1}, {memstore.OpDeleteAttachment, memstore.Fail, 0},
		{memstore.OpDeleteAttachment, memstore.FailApplied, 1}, {memstore.OpMemberships, memstore.Fail, 0},
	} {
		t.Run(fmt.Sprint(k.op, k.kind, k.skip), func(t *testing.T) {
			t.Parallel()
			c, srv, _ := fileCluster(t, 2, brisk(), mortal, way, func(o *Options) { o.Search = c0(o).Search() })
			l := newLife(c)
			c.login(1, "alice", `{"type":"hello","device":"phone"}`)
			index := l.index()
			died := c.killFirst(k.op, k.kind, k.skip)
			var e wire.Erasure
			if status := c.as("root", eraseAny, 0, "POST", "/v1/users/alice/erase", `{"cmid":"x1"}`, &e); status != http.StatusAccepted {
				t.Fatal(status)
			}
			died()
			if j := c.ended(e.ID); j.State != store.JobDone || j.Owner != c.gates[1].Pod() {
				t.Errorf("%+v", j)
			}
			l.gone(index, srv.Names)
		})
	}
}

func TestErasureIsRefused(t *testing.T) {
	c := newCluster(t, 1, brisk())
	for _, r := range []struct {
		scopes     []string
		user, body string
		want       int
	}{{nil, "alice", `{"cmid":"x"}`, 403}, {sendAny, "alice", `{"cmid":"x"}`, 403}, {eraseAny, "no%20user", `{"cmid":"x"}`, 400},
		{eraseAny, "alice", `{}`, 400}, {eraseAny, "alice", `{"cmid":"x","more":1}`, 400}} {
		if status := c.as("alice", r.scopes, 0, "POST", "/v1/users/"+r.user+"/erase", r.body, nil); status != r.want {
			t.Errorf("%+v: %d", r, status)
		}
	}
}
