package history

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// Store is what the service reads; a [store.Store] is one.
type Store interface {
	view.Store
	Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error)
	Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error)
}

// socialRoutes are what users have set for themselves.
func (s *Service) socialRoutes(r chi.Router) {
	r.Get("/v1/blocks", s.api.Handle(s.blocks))
	r.Get("/v1/messages/{id}/trace", s.api.Handle(s.trace))
	r.Get("/v1/export", s.api.Handle(s.export))
	r.Get("/v1/me", s.api.Handle(s.me))
	r.Get("/v1/conversations/{conv}/messages/{seq}/seen", s.api.Handle(s.seen))
	r.Get("/v1/devices", s.api.Handle(s.devices))
	r.Get("/v1/devices/{device}", s.api.Handle(s.device))
}

// blocks is GET /v1/blocks.
func (s *Service) blocks(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	cursor, limit := q.Text("cursor"), q.Int("limit", 1, s.limits.Page)
	if err := q.Err(); err != nil {
		return err
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	after := chat.User(raw)
	if err != nil || after != "" && !after.Valid() {
		return chat.Errorf(chat.CodeBadRequest, `"cursor" is not one that a list gave as "next"`)
	}
	if limit == 0 {
		limit = min(view.DefaultLimit, s.limits.Page)
	}
	found, err := s.store.Blocks(r.Context(), id.NS, id.User, after, limit+1)
	if err != nil {
		return err
	}
	list := wire.List[wire.Block]{Items: []wire.Block{}}
	if len(found) > limit {
		found = found[:limit]
		list.Next = base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].Peer))
	}
	for _, b := range found {
		list.Items = append(list.Items, wire.Block{User: b.Peer, Time: wire.Time{Time: b.Time}})
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// ownDevices are the user's devices that are not forgotten, the latest first.
func (s *Service) ownDevices(ctx context.Context, id auth.Identity) ([]wire.DeviceInfo, error) {
	found, err := s.store.Devices(ctx, id.NS, id.User)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b store.DeviceInfo) int { return b.Seen.Compare(a.Seen) })
	list := make([]wire.DeviceInfo, len(found))
	for i, d := range found {
		list[i] = wire.DeviceInfo{Device: d.Device, Seen: wire.Time{Time: d.Seen}}
	}
	return list, nil
}

// devices is GET /v1/devices. limits.devices bounds it, so it has one part.
func (s *Service) devices(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	list, err := s.ownDevices(r.Context(), id)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.List[wire.DeviceInfo]{Items: list})
	return nil
}

// device is GET /v1/devices/{device}.
func (s *Service) device(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	name, err := rest.PathDevice(r, "device")
	if err != nil {
		return err
	}
	list, err := s.ownDevices(r.Context(), id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(d wire.DeviceInfo) bool { return d.Device == name })
	if i < 0 {
		return chat.Errorf(chat.CodeNotFound, "you have no such device")
	}
	rest.JSON(w, http.StatusOK, list[i])
	return nil
}

// me is GET /v1/me.
func (s *Service) me(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	found, err := s.store.Profiles(r.Context(), id.NS, []chat.User{id.User})
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, wire.Profile{User: id.User, HideRead: found[id.User].HideRead})
	return nil
}

// seen is GET /v1/conversations/{conv}/messages/{seq}/seen.
func (s *Service) seen(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	cursor, limit := q.Text("cursor"), q.Int("limit", 1, s.limits.Page)
	if err := q.Err(); err != nil {
		return err
	}
	seq, err := rest.PathSeq(r, "seq")
	if err != nil {
		return err
	}
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	list, err := s.view.Seen(r.Context(), p, seq, cursor, limit)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// trace is GET /v1/messages/{id}/trace.
func (s *Service) trace(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	t, err := s.view.Trace(r.Context(), id.NS, id.User, id.Has(auth.ScopeOperator), r.PathValue("id"))
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, t)
	return nil
}

// export is GET /v1/export.
func (s *Service) export(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	cursor, user := q.Text("cursor"), chat.User(q.Text("user"))
	if err := q.Err(); err != nil {
		return err
	}
	switch {
	case user == "":
		user = id.User
	case !user.Valid():
		return chat.Errorf(chat.CodeBadRequest, `"user" is no user id`)
	case user != id.User && !id.Has(auth.ScopeOperator):
		return chat.Errorf(chat.CodeForbidden, "another's data needs the scope %s", auth.ScopeOperator)
	}
	part, err := view.Export(r.Context(), s.store, s.limits, id.NS, user, cursor)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(part))) // what is cut is noticed
	_, _ = w.Write(part)                                      // it fails where the client went away
	return nil
}
