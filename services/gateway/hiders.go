package gateway

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// hiders are the users with sessions on this pod who hide how far they have read,
// and are not shown how far others have. It is learnt when a session begins and by
// notices. That a user's own position stays hidden does not rest on it: see
// package receipt. The zero value is ready.
type hiders struct {
	mu    sync.RWMutex
	users map[route.UserKey]bool
}

func (h *hiders) has(k route.UserKey) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.users[k]
}

func (h *hiders) set(k route.UserKey, hides bool) {
	if !hides && !h.has(k) {
		return // as with nearly everybody
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !hides {
		delete(h.users, k)
		return
	}
	if h.users == nil {
		h.users = make(map[route.UserKey]bool)
	}
	h.users[k] = true
}

// attending is told of users whose first session begins here, or last one ends.
func (g *Gateway) attending(k route.UserKey, there bool) {
	if !there {
		g.hiders.set(k, false)
	}
	g.present(k, there)
}

// findProfile learns what the session's user has set.
func (f *feed) findProfile(ctx context.Context) error {
	return f.read(ctx, func(ctx context.Context) error {
		found, err := f.g.opts.Store.Profiles(ctx, f.id.NS, []chat.User{f.id.User})
		if err != nil {
			return fmt.Errorf("read profile: %w", err)
		}
		if len(f.g.table.Sessions(f.id.NS, f.id.User)) > 0 { // else it is over already
			f.g.hiders.set(route.UserKey{NS: f.id.NS, User: f.id.User}, found[f.id.User].HideRead)
		}
		return nil
	})
}

// setProfile changes what the caller has set for all conversations.
func (g *Gateway) setProfile(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.SetProfile
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	if in.HideRead == nil {
		return chat.Errorf(chat.CodeBadRequest, `"hide_read" must be given`)
	}
	found, err := g.opts.Store.Profiles(r.Context(), id.NS, []chat.User{id.User})
	if err != nil {
		return err
	}
	kept := found[id.User]
	for range maxTurns {
		next := chat.Profile{Version: versionAfter(kept.Version), HideRead: *in.HideRead}
		if kept, err = g.opts.Store.PutProfile(r.Context(), id.NS, id.User, next); err != nil {
			return err
		}
		if kept == next {
			g.say(&notice{NS: id.NS, User: id.User, Hide: in.HideRead})
			rest.JSON(w, http.StatusOK, wire.Profile{User: id.User, HideRead: kept.HideRead})
			return nil
		}
	}
	return errOvertaken()
}
