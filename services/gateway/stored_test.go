package gateway

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// unseen is a store of which reads do not show conversations for a while, as those of a
// new primary, after something was stored.
type unseen struct {
	store.Store
	blind, armed atomic.Bool
}

func (u *unseen) Finish(ctx context.Context, b store.Batch) error {
	err := u.Store.Finish(ctx, b)
	if u.armed.Load() {
		u.blind.Store(true)
	}
	return err
}

func (u *unseen) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	if u.blind.Load() {
		return nil, nil
	}
	return u.Store.ConversationsByKey(ctx, keys)
}

// What is stored is not answered with "not found" because the read behind it does not
// show it: nobody would repeat that.
func TestStoredAndNotSeenIsUnavailable(t *testing.T) {
	u := &unseen{}
	c := newCluster(t, 1, func(o *Options) {
		u.Store = o.Store
		o.Store = u
	})
	u.armed.Store(true)
	var g wire.Conversation
	const create = `{"title":"t","members":["bob"],"cmid":"g1"}`
	if status := c.rest("POST", "/v1/conversations", "alice", create, nil); status != http.StatusServiceUnavailable {
		t.Fatalf("created, and told %d", status)
	}
	u.blind.Store(false)
	u.armed.Store(false)
	if status := c.rest("POST", "/v1/conversations", "alice", create, &g); status != http.StatusOK {
		t.Fatalf("repeated, and told %d", status)
	}
	u.armed.Store(true)
	path := "/v1/conversations/" + string(g.Conv)
	const rename = `{"title":"u","cmid":"r1"}`
	if status := c.rest("PATCH", path, "alice", rename, nil); status != http.StatusServiceUnavailable {
		t.Fatalf("renamed, and told %d", status)
	}
	u.blind.Store(false)
	if status := c.rest("PATCH", path, "alice", rename, &g); status != http.StatusOK || g.Title != "u" {
		t.Fatalf("repeated, and told %d, %+v", status, g)
	}
}
