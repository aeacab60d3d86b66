package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// revokeRoutes are for operators: what they change concerns tokens of their own
// tenant.
func (g *Gateway) revokeRoutes(r chi.Router) {
	r.Post("/v1/revocations", g.api.Handle(operators(g.postRevocation)))
	r.Put("/v1/bans/{user}", g.api.Handle(operators(g.putBan)))
	r.Delete("/v1/bans/{user}", g.api.Handle(operators(g.deleteBan)))
}

// operators refuses who may not revoke, before anything is looked at.
func operators(h rest.Handler) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
		if !id.Has(auth.ScopeRevokeAny) {
			return chat.Errorf(chat.CodeForbidden, "revoking needs the scope %s", auth.ScopeRevokeAny)
		}
		return h(w, r, id)
	}
}

const (
	// maxTokenID is the longest id of a token in bytes.
	maxTokenID = 256
	// longestToken is how long tokens are taken to live where nobody says.
	longestToken = 400 * 24 * time.Hour
	// ahead is how far an operator's clock may be.
	ahead = time.Minute
)

func (g *Gateway) postRevocation(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.Revoke
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	now := time.Now()
	rev := store.Revocation{NS: id.NS, On: true}
	switch {
	case (in.Token == "") == (in.User == ""):
		return chat.Errorf(chat.CodeBadRequest, `exactly one of "token" and "user" must be given`)
	case in.Token != "":
		if len(in.Token) > maxTokenID || in.Expires.Unix() <= 0 || !in.Before.IsZero() || !in.Until.IsZero() {
			return chat.Errorf(chat.CodeBadRequest, `"token" is the jti of a token, of at most %d bytes, and goes with "expires" alone, its exp`, maxTokenID)
		}
		rev.Kind, rev.Name, rev.Until = store.RevokedToken, revoke.Name(in.Token), in.Expires.Time
	default:
		if cerr := wire.CheckUser("user", in.User); cerr != nil {
			return cerr
		}
		if !in.Expires.IsZero() || in.Before.After(now.Add(ahead)) || !in.Before.IsZero() && in.Before.Unix() <= 0 {
			return chat.Errorf(chat.CodeBadRequest, `"user" goes with "before", which is not in the future, and "until"`)
		}
		rev.Kind, rev.Name = store.RevokedUser, string(in.User)
		rev.Before, rev.Until = in.Before.Time, in.Until.Time
		if rev.Before.IsZero() {
			rev.Before = now
		}
		if rev.Until.IsZero() {
			rev.Until = rev.Before.Add(longestToken)
		}
		if rev.Until.Before(rev.Before) {
			return chat.Errorf(chat.CodeBadRequest, `"until" is before "before"`)
		}
		// The store keeps the later end of two: see [store.Revocation.Join]. In MongoDB it
		// does not do so for one that a gateway of before this has written.
		if before := g.revoked.LastsUntil(id.NS, in.User); before.After(rev.Until) {
			rev.Until = before
		}
	}
	if g.revoked.Full() {
		return chat.Unavailable("there are too many revocations now; ban the user, or wait until some have ended")
	}
	kept, err := g.putRevocation(r.Context(), rev)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.Revocation{Token: in.Token, User: in.User, Before: wire.Time{Time: kept.Before}, Until: wire.Time{Time: kept.Until}})
	return nil
}

func (g *Gateway) putBan(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	user, err := rest.PathUser(r, "user")
	if err != nil {
		return err
	}
	var in wire.SetBan
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	if !in.Until.IsZero() && !in.Until.After(time.Now()) {
		return chat.Errorf(chat.CodeBadRequest, `"until" has gone by`)
	}
	if _, err := g.putRevocation(r.Context(), store.Revocation{NS: id.NS, Kind: store.RevokedBan, Name: string(user), On: true, Until: in.Until.Time}); err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.Ban{User: user, Until: in.Until})
	return nil
}

func (g *Gateway) deleteBan(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	user, err := rest.PathUser(r, "user")
	if err != nil {
		return err
	}
	if _, err := g.putRevocation(r.Context(), store.Revocation{NS: id.NS, Kind: store.RevokedBan, Name: string(user), Until: time.Now().Add(revoke.KeepLifted)}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putRevocation stores a revocation, and has all pods look. What was revoked once
// stays so: of two for the same tokens the one that revokes more is kept. Bans are
// switched on and off, and the later request counts.
func (g *Gateway) putRevocation(ctx context.Context, r store.Revocation) (store.Revocation, error) {
	r.Before, r.Until = r.Before.UTC().Truncate(time.Millisecond), r.Until.UTC().Truncate(time.Millisecond)
	switch r.Kind {
	case store.RevokedToken:
		r.Version = r.Until.UnixMicro()
	case store.RevokedUser:
		r.Version = r.Before.UnixMicro()
	default:
		r.Version = versionAfter(0)
	}
	for range maxTurns {
		kept, err := g.opts.Store.PutRevocation(ctx, r)
		if err != nil {
			return kept, err
		}
		if r.Kind != store.RevokedBan || kept.Version == r.Version && kept.On == r.On && kept.Until.Equal(r.Until) {
			g.revoked.Look()
			g.say(&notice{NS: r.NS, Revoked: true})
			return kept, nil
		}
		r.Version = versionAfter(kept.Version)
	}
	return store.Revocation{}, errOvertaken()
}

// loadRevoked reads the list, and has tokens checked against it from then on.
func (g *Gateway) loadRevoked(ctx context.Context) error {
	g.revokedNews = make(chan struct{}, 1)
	g.revoked = revoke.New(revoke.Options{Store: g.opts.Store, Log: g.log, Changed: func() {
		select {
		case g.revokedNews <- struct{}{}:
		default: // who looks then sees this change, too
		}
	}})
	if err := g.revoked.Load(ctx); err != nil {
		return err
	}
	g.opts.Verifier = g.revoked.Guard(g.opts.Verifier)
	return nil
}

// endRevoked ends the sessions whose tokens are not taken any more, whenever the
// list of them has changed, until the gateway ends.
func (g *Gateway) endRevoked() {
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.revokedNews:
		}
		for _, c := range g.clients() {
			if mutant.Is(mutant.RevokedStays) {
				continue
			}
			if err := c.revoked(); err != nil {
				c.unauthorized(err)
			}
		}
	}
}

// revoked says whether the token that the session holds is not taken any more. It may
// be called by anybody. A session that has not said hello is looked at when it does.
func (c *client) revoked() error {
	mark, issued, ok := c.s.Held()
	if !ok {
		return nil
	}
	id := c.s.Identity()
	return c.g.revoked.Check(revoke.Token{NS: id.NS, User: id.User, Mark: revoke.Mark(mark), Issued: issued})
}

// hold notes the token that a session goes on with: when it ends, and what it is
// found by on the list of those that are not taken any more.
func (c *client) hold(id auth.Identity) {
	c.s.Hold(uint64(revoke.MarkOf(id.ID)), id.IssuedAt)
	c.s.SetExpiry(id.Expires)
}
