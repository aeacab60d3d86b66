package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// socialRoutes change what users have set for themselves. None of it is an entry:
// it concerns one user alone, so it does not belong into a log that others read.
func (g *Gateway) socialRoutes(r chi.Router) {
	r.Patch("/v1/conversations/{conv}/me", g.api.Handle(g.setMe))
	r.Put("/v1/conversations/{conv}/retention", g.api.Handle(g.setRetention))
	r.Post("/v1/messages/batch", g.api.Handle(g.postBatch))
	r.Patch("/v1/me", g.api.Handle(g.setProfile))
	r.Put("/v1/blocks/{user}", g.api.Handle(g.putBlock))
	r.Delete("/v1/blocks/{user}", g.api.Handle(g.deleteBlock))
	r.Delete("/v1/devices/{device}", g.api.Handle(g.removeDevice))
}

// maxTurns is how often a change is made again that another one of the same user has
// overtaken.
const maxTurns = 8

// versionAfter is the version of a change. It is larger than that of what the change
// replaces, and, as far as clocks agree, than that of anything that was tried
// before: a write without an answer, which may be applied late, is then overtaken.
func versionAfter(old int64) int64 { return max(time.Now().UnixMicro(), old+1) }

func errOvertaken() *chat.Error {
	return chat.Unavailable("other changes of the same thing keep coming; repeat this unchanged")
}

func (g *Gateway) putBlock(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	peer, err := rest.PathUser(r, "user")
	if err != nil {
		return err
	}
	if peer == id.User {
		return chat.Errorf(chat.CodeBadRequest, "you cannot block yourself")
	}
	b, err := g.block(r.Context(), id, peer, true)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.Block{User: b.Peer, Time: wire.Time{Time: b.Time}})
	return nil
}

func (g *Gateway) deleteBlock(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	peer, err := rest.PathUser(r, "user")
	if err != nil {
		return err
	}
	if _, err := g.block(r.Context(), id, peer, false); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// block switches a block on or off. When it returns, no send that is submitted
// later, on any pod, is judged by what was before: see package commit. Where nothing
// is to be changed it is written all the same, so that an earlier try which changes
// it and is applied late is overtaken.
func (g *Gateway) block(ctx context.Context, id auth.Identity, peer chat.User, on bool) (chat.Block, error) {
	pair := store.Pair{NS: id.NS, User: id.User, Peer: peer}
	for range maxTurns {
		kept, err := g.opts.Store.BlocksAmong(ctx, []store.Pair{pair})
		if err != nil {
			return chat.Block{}, err
		}
		old, known := kept[pair]
		if !known && !on {
			return chat.Block{}, nil
		}
		if on && !old.On {
			if err := g.roomForBlock(ctx, id); err != nil {
				return chat.Block{}, err
			}
		}
		b := chat.Block{User: id.User, Peer: peer, On: on, Version: versionAfter(old.Version), Time: time.Now().UTC().Truncate(time.Millisecond)}
		if old.On == on {
			b.Time = old.Time
		}
		got, err := g.opts.Store.PutBlock(ctx, id.NS, b)
		if err != nil {
			return chat.Block{}, err
		}
		if got.Version == b.Version && got.On == on {
			g.say(&notice{NS: id.NS, User: id.User, Block: &blockNotice{Peer: peer, Version: b.Version, On: on}})
			return b, nil
		}
	}
	return chat.Block{}, errOvertaken()
}

func (g *Gateway) roomForBlock(ctx context.Context, id auth.Identity) error {
	list, err := g.opts.Store.Blocks(ctx, id.NS, id.User, "", chat.MaxBlocks)
	if err != nil {
		return err
	}
	if len(list) >= chat.MaxBlocks {
		return chat.Errorf(chat.CodeForbidden, "you have blocked %d users, which is the most", chat.MaxBlocks)
	}
	return nil
}

// setMe changes the caller's settings of a conversation and tells the caller's
// sessions everywhere.
func (g *Gateway) setMe(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return err
	}
	var in wire.SetMe
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	if in == (wire.SetMe{}) {
		return chat.Errorf(chat.CodeBadRequest, `one of "muted", "pinned" and "archived" must be given`)
	}
	key := chat.Key{NS: id.NS, Conv: conv}
	part, err := g.view.Access(r.Context(), key, id.User)
	if err != nil {
		return err
	}
	if part.Member, err = g.configure(r.Context(), part.Member, in); err != nil {
		return err
	}
	c, err := g.view.Conversation(r.Context(), part)
	if err != nil {
		return err
	}
	frame := c
	frame.Type = "conversation"
	g.say(&notice{NS: id.NS, User: id.User, Conv: conv, Frame: wire.Encode(&frame)})
	rest.JSON(w, http.StatusOK, c)
	return nil
}

func (g *Gateway) configure(ctx context.Context, m chat.Member, in wire.SetMe) (chat.Member, error) {
	for range maxTurns {
		next := m.Settings
		next.Version = versionAfter(next.Version)
		for _, f := range []struct {
			to   *bool
			from *bool
		}{{&next.Muted, in.Muted}, {&next.Pinned, in.Pinned}, {&next.Archived, in.Archived}} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		var err error
		if m, err = g.opts.Store.Configure(ctx, m.Key, m.User, next); err != nil {
			return m, err
		}
		if m.Settings == next {
			return m, nil
		}
	}
	return m, errOvertaken()
}

// removeDevice forgets a device and ends its sessions on all pods. It comes back as
// a new one if its token still lets it.
func (g *Gateway) removeDevice(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	device, err := rest.PathDevice(r, "device")
	if err != nil {
		return err
	}
	if err := g.opts.Store.DropDevice(r.Context(), id.NS, id.User, device); err != nil {
		return err
	}
	g.say(&notice{NS: id.NS, User: id.User, Device: device, Before: newSessionID()})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
