package gateway

import (
	"fmt"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// previewed is the text that a new device of a user is shown of a conversation, before
// it has any entry of it.
func (c *cluster) previewed(pod int, user string, conv chat.ConvID) string {
	c.t.Helper()
	k := c.connect(pod, user)
	defer func() { _ = k.ws.CloseNow() }()
	k.send(`{"type":"hello"}`)
	for {
		if f := expect[*wire.Conversation](k); f.Conv == conv {
			if f.Last == nil || f.Last.Seq != 1 || f.Last.From != "alice" {
				c.t.Fatalf("%+v", f.Last)
			}
			return f.Last.Text
		}
	}
}

func (c *cluster) previews(user string, conv chat.ConvID, want string) {
	c.t.Helper()
	if got := c.previewed(2, user, conv); got != want {
		c.t.Errorf("%s is shown %q, want %q", user, got, want)
	}
}

func TestPreviewOfAnEdit(t *testing.T) { eachWay(t, previewOfAnEdit) }

// A session of another pod than the sender's edits, and what a third shows is that,
// whatever becomes of the first attempt to finish the edit.
func previewOfAnEdit(t *testing.T, way func(*Options)) {
	c := newCluster(t, 3, way)
	alice, _ := c.login(0, "alice", "")
	phone, _ := c.login(1, "alice", `{"type":"hello","device":"phone"}`)
	conv := alice.sendTo("bob", "m1", "the code is 1234").Conv
	phone.entry(1)
	c.previews("bob", conv, "the code is 1234")

	seq := chat.Seq(1)
	edit := func(text string) {
		t.Helper()
		seq++
		phone.acked(seq, `{"type":"edit","conv":%q,"target":1,"cmid":"e%d","body":{"text":%q}}`, conv, seq, text)
	}
	edit("no code")
	c.previews("bob", conv, "no code")
	c.previews("alice", conv, "no code")
	for i, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		fault := c.store.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: kind, Times: 1})
		text := fmt.Sprint("failed ", i)
		edit(text)
		if fault.Hits() != 1 {
			t.Fatalf("%d finishes failed", fault.Hits())
		}
		c.previews("bob", conv, text)
	}
}

func TestPreviewOfALateEdit(t *testing.T) { eachWay(t, previewOfALateEdit) }

// The finish of an edit that was given up is applied after a newer edit, and after the
// recall: it changes nothing.
func previewOfALateEdit(t *testing.T, way func(*Options)) {
	c := newCluster(t, 3, way)
	alice, _ := c.login(0, "alice", "")
	conv := alice.sendTo("bob", "m1", "one").Conv
	late := func(seq chat.Seq) *memstore.Injection {
		fault := c.store.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Late, Times: 1})
		alice.acked(seq, `{"type":"edit","conv":%q,"target":1,"cmid":"e%d","body":{"text":"edit %d"}}`, conv, seq, seq)
		if fault.Hits() != 1 {
			t.Fatalf("%d finishes are late", fault.Hits())
		}
		return fault
	}
	older, newer := late(2), late(3)
	older.Release()
	c.previews("bob", conv, "edit 3")
	alice.acked(4, `{"type":"recall","conv":%q,"target":1,"cmid":"r"}`, conv)
	newer.Release()
	c.previews("bob", conv, "")
}
