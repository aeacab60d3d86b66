package gateway

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob/s3blob"
	"github.com/parley-chat/parley/pkg/blob/s3fake"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// fileCluster is a cluster that keeps files in an S3 of the tests.
func fileCluster(t *testing.T, n int, change ...func(*Options)) (*cluster, *s3fake.Server, *s3blob.Store) {
	t.Helper()
	srv := s3fake.Start(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	bucket, err := s3blob.New(s3blob.Options{Endpoint: srv.URL, Bucket: s3fake.Bucket, AccessKey: s3fake.AccessKey,
		SecretKey: s3fake.SecretKey, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	files := func(o *Options) { o.Attachments = Attachments{Blobs: bucket, MaxBytes: 1 << 20} }
	return newCluster(t, n, append(change, files)...), srv, bucket
}

func pngOf(t *testing.T, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload announces and uploads a file, as a client does.
func (c *cluster) upload(user, where, cmid string, data []byte) chat.AttachmentID {
	c.t.Helper()
	var f wire.File
	in := fmt.Sprintf(`{%s,"name":"a.png","type":"image/png","size":%d,"cmid":%q}`, where, len(data), cmid)
	if status := c.rest("POST", "/v1/attachments", user, in, &f); status != http.StatusCreated || f.Upload == nil {
		c.t.Fatalf("announce: %d %+v", status, f)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), f.Upload.Method, f.Upload.URL, bytes.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("upload: %d", res.StatusCode)
	}
	return f.ID
}

func TestSendsCarryWhatWasUploaded(t *testing.T) {
	c, _, bucket := fileCluster(t, 2)
	alice := c.connect(0, "alice")
	alice.send(`{"type":"hello"}`)
	welcome := expect[*wire.Welcome](alice)
	if l := welcome.Limits; !strings.Contains(strings.Join(welcome.Features, " "), "attachments") || l.AttachmentBytes != 1<<20 || l.Attachments != 10 {
		t.Errorf("welcome %+v", welcome)
	}
	bob, _ := c.login(1, "bob", "")
	data := pngOf(t, 400)
	id := c.upload("alice", `"to":"bob"`, "f1", data) // before there is a conversation
	send := fmt.Sprintf(`{"type":"send","to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"evil","type":"text/html","size":1}]}}`, id)
	alice.send("%s", send)
	ack := expect[*wire.Ack](alice)
	got := wire.Attachments(expect[*wire.Entry](bob).Body)
	want := wire.Attachment{ID: string(id), Name: "a.png", Type: "image/png", Size: int64(len(data)), W: 400, H: 400,
		Thumb: "/v1/attachments/" + string(id) + "/thumb"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v", got)
	}
	alice.send("%s", send)
	if again := expect[*wire.Ack](alice); !again.Dup || again.Seq != ack.Seq {
		t.Errorf("repeated: %+v", again)
	}
	r := attach.NewReader(c.store, bucket, chat.Limits{})
	if _, err := r.Find(t.Context(), auth.Identity{NS: chat.DefaultNS, User: "bob"}, id); err != nil {
		t.Error(err)
	}
	// The same over HTTP, by another pod.
	var f wire.File
	if status := c.rest("POST", "/v1/attachments/"+string(id), "alice", "", &f); status != http.StatusOK || !f.Complete || f.W != 400 {
		t.Errorf("%d %+v", status, f)
	}
	var ack2 wire.Ack
	in := fmt.Sprintf(`{"to":"bob","cmid":"m2","body":{"text":"again","attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, id)
	if status := c.rest("POST", "/v1/messages", "alice", in, &ack2); status != http.StatusOK || ack2.Seq != 2 {
		t.Errorf("%d %+v", status, ack2)
	}
}

func TestSendsOfForeignAttachmentsAreRefused(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	id := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 10))
	mallory, _ := c.login(0, "mallory", "")
	refused := func(k *conn, to, cmid string, id chat.AttachmentID) {
		t.Helper()
		k.send(`{"type":"send","to":%q,"cmid":%q,"body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, to, cmid, id)
		if e, ok := k.next().(*wire.Error); !ok || e.Code != chat.CodeBadRequest {
			t.Errorf("got %+v", e)
		}
	}
	refused(mallory, "bob", "m1", id)
	refused(alice, "carol", "m1", id)
	refused(alice, "bob", "m2", "a_nothing")
	// A refusal holds nothing up.
	alice.sendTo("bob", "m3", "hi")

	group := c.group("ann", "alice")
	for user, want := range map[string]int{"alice": http.StatusCreated, "mallory": http.StatusNotFound} {
		in := fmt.Sprintf(`{"conv":%q,"name":"a","type":"text/plain","size":1,"cmid":"f2"}`, group)
		if status := c.rest("POST", "/v1/attachments", user, in, nil); status != want {
			t.Errorf("%s: %d", user, status)
		}
	}
	c.rest("DELETE", "/v1/conversations/"+string(group)+"?cmid=l1", "alice", "", nil)
	in := fmt.Sprintf(`{"conv":%q,"name":"a","type":"text/plain","size":1,"cmid":"f3"}`, group)
	if status := c.rest("POST", "/v1/attachments", "alice", in, nil); status != http.StatusForbidden {
		t.Errorf("a former member: %d", status)
	}
	for _, in := range []string{`{"name":"a","type":"text/plain","size":1,"cmid":"f4"}`, `{"to":"bob","conv":"` + string(group) + `","name":"a","type":"text/plain","size":1,"cmid":"f4"}`,
		`{"to":"b b","name":"a","type":"text/plain","size":1,"cmid":"f4"}`, `{"to":"bob","name":"a","type":"text/plain","size":1}`} {
		if status := c.rest("POST", "/v1/attachments", "alice", in, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", in, status)
		}
	}
	if status := c.rest("POST", "/v1/attachments/"+string(id), "mallory", "", nil); status != http.StatusNotFound {
		t.Errorf("completed by another: %d", status)
	}
}

// A blob store that is away makes a send wait its turn: nothing overtakes it, and
// its repeat goes through.
func TestBlobStoreAwayKeepsOrder(t *testing.T) {
	c, s3, _ := fileCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	id := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 10))
	first := fmt.Sprintf(`{"type":"send","ref":"1","to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, id)
	s3.Inject(func(*http.Request) s3fake.Fault { return s3fake.Fail })
	alice.send("%s", first)
	alice.send(`{"type":"send","ref":"2","to":"bob","cmid":"m2","body":{"text":"later"}}`)
	for _, ref := range []string{"1", "2"} {
		if e, ok := alice.next().(*wire.Error); !ok || e.Ref != ref || e.Code != chat.CodeUnavailable {
			t.Fatalf("got %+v", e)
		}
	}
	s3.Inject(nil)
	alice.send("%s", first)
	if ack := expect[*wire.Ack](alice); ack.CMID != "m1" || ack.Seq != 1 {
		t.Errorf("%+v", ack)
	}
	if ack := alice.sendTo("bob", "m2", "later"); ack.Seq != 2 {
		t.Errorf("%+v", ack)
	}
}

// The file of an entry that is stored, and whose answer is lost, is there.
func TestAnswerOfASendWithAFileIsLost(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		c, _, bucket := fileCluster(t, 1)
		alice, _ := c.login(0, "alice", "")
		id := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 10))
		c.store.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: kind, Times: 1})
		c.store.Inject(memstore.Fault{Op: memstore.OpUpdateAttachment, Kind: kind, Times: 1})
		for range 2 { // the first try may be unavailable
			alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, id)
		}
		for acked := false; !acked; {
			_, acked = alice.next().(*wire.Ack)
		}
		r := attach.NewReader(c.store, bucket, chat.Limits{})
		if _, err := r.Find(t.Context(), auth.Identity{NS: chat.DefaultNS, User: "bob"}, id); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestAttachmentsSwitchedOff(t *testing.T) {
	c := newCluster(t, 1)
	alice := c.connect(0, "alice")
	alice.send(`{"type":"hello"}`)
	if w := expect[*wire.Welcome](alice); strings.Contains(strings.Join(w.Features, " "), "attachments") || w.Limits.AttachmentBytes != 0 {
		t.Errorf("%+v", w)
	}
	expect[*wire.Synced](alice)
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"attachments":[{"id":"x","name":"","type":"","size":0}]}}`)
	if e, ok := alice.next().(*wire.Error); !ok || e.Code != chat.CodeBadRequest {
		t.Errorf("%+v", e)
	}
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"data":{"attachments":[{"id":"x"}]},"text":"\"attachments\":[{}]"}}`)
	expect[*wire.Ack](alice)
	if status := c.rest("POST", "/v1/attachments", "alice", `{"to":"bob","name":"a","type":"text/plain","size":1,"cmid":"f"}`, nil); status != http.StatusNotFound {
		t.Errorf("announced: %d", status)
	}
}

// A recall that this pod has stored takes the files with it.
func TestRecallDeletesFiles(t *testing.T) {
	c, s3, _ := fileCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	id := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 400))
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, id)
	ack := expect[*wire.Ack](alice)
	if names := s3.Names(); len(names) != 2 {
		t.Errorf("objects %v", names)
	}
	deleted := make(chan struct{}, 100)
	s3.Inject(func(r *http.Request) s3fake.Fault {
		if r.Method == http.MethodDelete {
			deleted <- struct{}{}
		}
		return s3fake.None
	})
	key := chat.Key{NS: chat.DefaultNS, Conv: ack.Conv}
	e := chat.Entry{Key: key, Seq: 2, Kind: chat.KindRecalled, From: "alice", CMID: "r1", Target: 1, Count: 1, Members: 2}
	b := store.Batch{Entries: []chat.Entry{e}}
	if res := c.store.Append(t.Context(), b); res.Outcomes[0] != store.Stored {
		t.Fatal(res.Err)
	}
	if err := c.store.Finish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	gone := c.store.Inject(memstore.Fault{Op: memstore.OpDeleteAttachment, Kind: memstore.Pass})
	c.gates[0].committed(store.JournalID{}, b.Entries, nil)
	if err := gone.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if names := s3.Names(); len(names) != 0 || len(deleted) != 3 {
		t.Errorf("objects %v", names)
	}
}

// What a file costs the stores, as ARCHITECTURE.md says.
func TestWhatAFileCosts(t *testing.T) {
	c, s3, _ := fileCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	ops := []memstore.Op{memstore.OpCreateAttachment, memstore.OpUpdateAttachment, memstore.OpAttachmentsByID}
	var requests []string
	s3.Inject(func(r *http.Request) s3fake.Fault {
		what := r.Method
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			what = "COPY"
		}
		requests = append(requests, what)
		return s3fake.None
	})
	before := make([]int, len(ops))
	cost := func(what, wantStore, wantS3 string) {
		t.Helper()
		var got []string
		for i, op := range ops {
			n := c.store.Calls(op)
			got = append(got, fmt.Sprint(n-before[i]))
			before[i] = n
		}
		if s := strings.Join(got, " "); s != wantStore {
			t.Errorf("%s: %v %s, want %s", what, ops, s, wantStore)
		}
		if s := strings.Join(requests, " "); s != wantS3 {
			t.Errorf("%s: %s, want %s", what, s, wantS3)
		}
		requests = nil
	}
	id := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 400))
	cost("announce and upload", "1 0 1", "PUT")
	c.rest("POST", "/v1/attachments/"+string(id), "alice", "", nil)
	cost("complete", "0 1 2", "HEAD COPY GET GET PUT DELETE")
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, id)
	expect[*wire.Ack](alice)
	cost("send", "0 1 2", "")
}
