package gateway

import (
	"context"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// gatedStore answers questions for one conversation only once it is told to, however
// long the caller would have waited.
type gatedStore struct {
	store.Store
	conv chat.ConvID
	open chan struct{}
}

func (s *gatedStore) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	if len(keys) == 1 && keys[0].Conv == s.conv {
		<-s.open
		ctx = context.WithoutCancel(ctx)
	}
	return s.Store.ConversationsByKey(ctx, keys)
}

// A frame that has to ask the store does not hold up those behind it: a client whose
// ping is not answered takes the connection for dead.
func TestFramesDoNotWaitForTheStoreBehindOthers(t *testing.T) {
	gated := &gatedStore{conv: "g_abcdefghijklmnopqrstuvwxyz", open: make(chan struct{})}
	c := newCluster(t, 1, func(o *Options) {
		gated.Store = o.Store
		o.Store = gated
	})
	open := sync.OnceFunc(func() { close(gated.open) })
	t.Cleanup(open) // a test that fails does not wait for it
	bob, _ := c.login(0, "bob", "")
	for _, frame := range []string{
		`{"type":"recv","ref":"recv","conv":%q,"seq":1}`,
		`{"type":"read","ref":"read","conv":%q,"seq":1}`,
		`{"type":"typing","ref":"typing","conv":%q,"on":true}`,
		`{"type":"history","ref":"history","conv":%q,"after":0}`,
	} {
		bob.send(frame, gated.conv)
	}
	bob.send(`{"type":"ping","ref":"behind"}`)
	if p := expect[*wire.Pong](bob); p.Ref != "behind" {
		t.Fatalf("%+v", p)
	}
	open()
	left := map[string]bool{"recv": true, "read": true, "typing": true, "history": true}
	for len(left) > 0 {
		f, ok := bob.next().(*wire.Error)
		if !ok || f.Code != chat.CodeNotFound || !left[f.Ref] {
			t.Fatalf("%+v, with %v to come", f, left)
		}
		delete(left, f.Ref)
	}
}
