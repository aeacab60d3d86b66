package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// batch posts a batch of a user with some scopes.
func (c *cluster) batch(user, body string, scopes ...string) (status int, out wire.BatchResult) {
	c.t.Helper()
	token, err := c.signer.Sign(auth.Identity{User: chat.User(user), Scopes: scopes}, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), "POST", c.urls[0]+"/v1/messages/batch", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if res.StatusCode == http.StatusOK {
		if err := json.UnmarshalRead(res.Body, &out); err != nil {
			c.t.Fatal(err)
		}
	}
	return res.StatusCode, out
}

// messages is a batch of n messages to bob.
func messages(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `,{"to":"bob","cmid":"m%d","body":{"text":"%d"}}`, i, i)
	}
	return `{"messages":[` + strings.TrimPrefix(b.String(), ",") + `]}`
}

func TestBatchKeepsOrderAndIsRepeated(t *testing.T) {
	c := newCluster(t, 1)
	for round := range 2 {
		status, out := c.batch("alice", messages(wire.MaxBatch))
		if status != http.StatusOK || len(out.Items) != wire.MaxBatch {
			t.Fatalf("%d, %d items", status, len(out.Items))
		}
		for i, item := range out.Items {
			if item.Ack == nil || item.Ack.Seq != chat.Seq(i+1) || item.Ack.Dup != (round == 1) || item.Ack.CMID != chat.CMID(fmt.Sprint("m", i)) {
				t.Fatalf("round %d, %d: %+v %+v", round, i, item.Ack, item.Error)
			}
		}
	}
}

func TestBatchHasAResultForEach(t *testing.T) {
	c := newCluster(t, 1)
	c.rest("PUT", "/v1/blocks/robot", "carol", "", nil)
	body := `{"messages":[
		{"to":"bob","cmid":"a","body":{"text":"as oneself"}},
		{"to":"bob","cmid":"b","from":"alice","body":{"text":"for alice"}},
		{"to":"bob","cmid":"c"},
		{"to":"bob","body":{"text":"no cmid"}},
		{"to":"carol","cmid":"d","body":{"text":"blocked"}},
		{"conv":"g_aaaaaaaaaaaaaaaaaaaa","cmid":"e","body":{"text":"nowhere"}},
		{"to":"bob","cmid":"f","body":{"text":"goes on"}}]}`
	want := func(out wire.BatchResult, codes ...chat.Code) {
		t.Helper()
		if len(out.Items) != len(codes) {
			t.Fatalf("%d items", len(out.Items))
		}
		for i, item := range out.Items {
			if (item.Ack == nil) != (codes[i] != "") || item.Error != nil && item.Error.Code != codes[i] {
				t.Errorf("%d: %+v %+v, want %q", i, item.Ack, item.Error, codes[i])
			}
		}
	}
	const bad, no, none = chat.CodeBadRequest, chat.CodeForbidden, chat.CodeNotFound
	_, out := c.batch("robot", body)
	want(out, "", no, bad, bad, no, none, "")
	_, out = c.batch("robot", body, auth.ScopeSendAny)
	want(out, "", "", bad, bad, no, none, "")
	e, err := c.store.Lookup(t.Context(), chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}, "alice", "b")
	if err != nil || e.Via != "robot" {
		t.Errorf("%+v %v", e, err)
	}
	for _, wrong := range []string{`{"messages":[]}`, `{}`, `{"messages":[{"cmid":1}]}`, `{"messages":[{"loud":true}]}`, messages(wire.MaxBatch + 1)} {
		if status, _ := c.batch("robot", wrong); status != http.StatusBadRequest {
			t.Errorf("%.40s: %d", wrong, status)
		}
	}
	large := `{"messages":[{"to":"bob","cmid":"x","body":{"text":"` + strings.Repeat("x", maxBatchBody) + `"}}]}`
	if status, _ := c.batch("robot", large); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", status)
	}
}

// An outcome that is not known leaves no hole behind and nothing twice: repeated,
// each message is there once, in order.
func TestBatchWhereTheStoreFails(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		c := newCluster(t, 1)
		c.store.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: kind, Times: 2})
		if _, out := c.batch("alice", messages(50)); len(out.Items) != 50 {
			t.Fatalf("%d items", len(out.Items))
		}
		_, out := c.batch("alice", messages(50))
		for i, item := range out.Items {
			if item.Ack == nil || item.Ack.Seq != chat.Seq(i+1) {
				t.Fatalf("%d: %+v %+v", i, item.Ack, item.Error)
			}
		}
		key := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
		if entries, err := c.store.Entries(t.Context(), key, store.Range{Limit: 100}); err != nil || len(entries) != 50 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
	}
}

// A message of a batch whose attachments cannot be reached gets no answer, and so do those
// behind it in its conversation: none overtakes it.
func TestBatchKeepsItsOrderBehindAttachments(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	file := c.upload("alice", `"to":"bob"`, "f1", pngOf(t, 20))
	away := c.store.Inject(memstore.Fault{Op: memstore.OpAttachmentsByID, Kind: memstore.Fail})
	body := fmt.Sprintf(`{"messages":[{"to":"bob","cmid":"m1","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}},
		{"to":"bob","cmid":"m2","body":{"text":"behind it"}},{"to":"carol","cmid":"m3","body":{"text":"elsewhere"}}]}`, file)
	_, out := c.batch("alice", body)
	for i, answered := range []bool{false, false, true} {
		if item := out.Items[i]; (item.Ack != nil) != answered || !answered && item.Error.Code != chat.CodeUnavailable {
			t.Errorf("message %d: %+v", i+1, item)
		}
	}
	away.Remove()
	_, out = c.batch("alice", body)
	for i, seq := range []chat.Seq{1, 2, 1} {
		if item := out.Items[i]; item.Ack == nil || item.Ack.Seq != seq || item.Ack.Dup != (i == 2) {
			t.Errorf("message %d, repeated: %+v", i+1, item)
		}
	}
}
