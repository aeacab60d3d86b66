package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
)

// routes are the socket and every request that changes something. They take the
// way of a frame: command, commit, route. There is no second way to write.
func (g *Gateway) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(rest.Origins(g.opts.Origins).Handler) // also before a preflight, which has no route
	r.Get("/v1/ws", func(w http.ResponseWriter, r *http.Request) {
		rest.NameRoute(r, "GET /v1/ws")
		g.serveSocket(w, r)
	})
	r.Post("/v1/conversations", g.api.Handle(g.createGroup))
	r.Patch("/v1/conversations/{conv}", g.api.Handle(g.renameGroup))
	r.Delete("/v1/conversations/{conv}", g.api.Handle(g.leaveGroup))
	r.Put("/v1/conversations/{conv}/members/{user}", g.api.Handle(g.setMember))
	r.Delete("/v1/conversations/{conv}/members/{user}", g.api.Handle(g.removeMember))
	r.Post("/v1/messages", g.api.Handle(g.postMessage))
	g.socialRoutes(r)
	g.jobRoutes(r)
	g.revokeRoutes(r)
	r.Post("/v1/attachments", g.api.Handle(g.announceFile))
	r.Post("/v1/attachments/{id}", g.api.Handle(g.completeFile))
	r.Patch("/v1/conversations/{conv}/messages/{seq}", g.api.Handle(g.editMessage))
	r.Delete("/v1/conversations/{conv}/messages/{seq}", g.api.Handle(g.recallMessage))
	r.Put("/v1/conversations/{conv}/messages/{seq}/reactions/{emoji}", g.api.Handle(g.react))
	r.Delete("/v1/conversations/{conv}/messages/{seq}/reactions/{emoji}", g.api.Handle(g.unreact))
	r.Get("/openapi.json", contract.ServeOpenAPI)
	r.Get("/asyncapi.json", contract.ServeAsyncAPI)
	notFound := func(w http.ResponseWriter, _ *http.Request) {
		rest.Error(w, chat.Errorf(chat.CodeNotFound, "nothing is here; a gateway serves /v1/ws and what changes something"))
	}
	r.NotFound(notFound)
	var routes chi.Routes = r
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		var allow []string
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if routes.Match(chi.NewRouteContext(), m, r.URL.Path) {
				allow = append(allow, m)
			}
		}
		if len(allow) == 0 { // the router looks at an unknown method before the path
			notFound(w, r)
			return
		}
		rest.MethodNotAllowed(w, strings.Join(allow, ", "), "a gateway answers what changes something; the history service answers GET")
	})
	return rest.Observer{Meter: g.meters.requests, Tracer: g.opts.Tracer, Trusted: g.opts.TraceTrusted}.Handler(r)
}

// do takes a command through steps 4 and 5 and waits for its answer.
func (g *Gateway) do(ctx context.Context, cmd *command.Command) (commit.Result, error) {
	done, begun := make(chan commit.Result, 1), time.Now()
	r := requestOf(cmd)
	if below := tracing.From(ctx); below.Sampled() {
		g.followCommand(r, below)
	}
	r.Done = func(res commit.Result) {
		g.meters.commandDone(begun, &res, r.Span.Context().ID())
		endCommand(r.Span, &res)
		done <- res
	}
	g.commit.Submit(r)
	select {
	case res := <-done:
		if res.Err != nil {
			return res, res.Err
		}
		return res, nil
	case <-ctx.Done(): // the command goes on; the client repeats its cmid
		return commit.Result{}, chat.Unavailable("no answer in time; repeat this unchanged")
	}
}

// mayStore counts the entries that the caller wants to be stored. A service that sends for
// others sends what they all send: it has no limit.
func (g *Gateway) mayStore(id auth.Identity, n int) error {
	if id.Has(auth.ScopeSendAny) {
		return nil
	}
	return g.opts.Guard.Sends(id.NS, id.User, n)
}

func actor(id auth.Identity) command.Actor { return command.Actor{NS: id.NS, User: id.User} }

// cmidOf takes a write's cmid from its body or query, or from the Idempotency-Key.
func cmidOf(r *http.Request, given chat.CMID) (chat.CMID, error) {
	if given == "" {
		given = chat.CMID(r.Header.Get("Idempotency-Key"))
	}
	if !given.Valid() {
		return "", chat.Errorf(chat.CodeBadRequest, `"cmid" (or the Idempotency-Key header) is missing or not of the form [A-Za-z0-9_-]{1,64}`)
	}
	return given, nil
}

func (g *Gateway) createGroup(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.NewGroup
	if err := rest.ReadJSON(w, r, maxGroupBody, &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	commands, cerr := command.CreateGroup(actor(id), command.NewGroup{
		Title: in.Title, Members: in.Members, CMID: cmid, History: in.History}, g.opts.Limits)
	if cerr != nil {
		return cerr
	}
	if err := g.mayStore(id, len(commands)); err != nil {
		return err
	}
	status := http.StatusOK
	for i, cmd := range commands {
		res, err := g.do(r.Context(), cmd)
		if err != nil {
			return err
		}
		if i == 0 && !res.Dup {
			status = http.StatusCreated
		}
	}
	return g.answerConversation(w, r, id, commands[0].Key, status)
}

// maxGroupBody is room for the largest group with the longest names.
const maxGroupBody = 256 << 10

// answerConversation shows a conversation in which a command was just stored. So it is
// there, and its author sees it: a read that says otherwise comes from a primary that does
// not have it yet, and a repeat finds the command.
func (g *Gateway) answerConversation(w http.ResponseWriter, r *http.Request, id auth.Identity, key chat.Key, status int) error {
	part, err := g.view.Access(r.Context(), key, id.User)
	if cerr, ok := errors.AsType[*chat.Error](err); ok && cerr.Code == chat.CodeNotFound {
		return chat.Unavailable("it is stored, and cannot be shown yet; repeat this unchanged")
	}
	if err != nil {
		return err
	}
	c, err := g.view.Conversation(r.Context(), part)
	if err != nil {
		return err
	}
	rest.JSON(w, status, c)
	return nil
}

func (g *Gateway) renameGroup(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return err
	}
	var in wire.Rename
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	cmd, cerr := command.Rename(actor(id), conv, in.Title, cmid)
	if cerr != nil {
		return cerr
	}
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	if _, err := g.do(r.Context(), cmd); err != nil {
		return err
	}
	return g.answerConversation(w, r, id, cmd.Key, http.StatusOK)
}

func (g *Gateway) leaveGroup(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return err
	}
	cmid, err := cmidOf(r, chat.CMID(r.URL.Query().Get("cmid")))
	if err != nil {
		return err
	}
	return g.noContent(w, r, id, command.LeaveOrClose(actor(id), conv, cmid))
}

func (g *Gateway) noContent(w http.ResponseWriter, r *http.Request, id auth.Identity, cmd *command.Command) error {
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	if _, err := g.do(r.Context(), cmd); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pathMember is the conversation and the member that a path names.
func pathMember(r *http.Request) (conv chat.ConvID, user chat.User, err error) {
	if conv, err = rest.PathConv(r, "conv"); err != nil {
		return "", "", err
	}
	user, err = rest.PathUser(r, "user")
	return conv, user, err
}

func (g *Gateway) setMember(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, user, err := pathMember(r)
	if err != nil {
		return err
	}
	var in wire.SetMember
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	switch in.Role {
	case chat.RoleOwner, chat.RoleAdmin, chat.RoleMember, chat.RoleMuted:
	default:
		return chat.Errorf(chat.CodeBadRequest, `"role" must be owner, admin, member or muted`)
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	cmd := command.SetMember(actor(id), conv, user, in.Role, cmid, g.opts.Limits)
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	if _, err := g.do(r.Context(), cmd); err != nil {
		return err
	}
	m, err := g.view.Member(r.Context(), cmd.Key, id.User, user)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, m)
	return nil
}

func (g *Gateway) removeMember(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, user, err := pathMember(r)
	if err != nil {
		return err
	}
	cmid, err := cmidOf(r, chat.CMID(r.URL.Query().Get("cmid")))
	if err != nil {
		return err
	}
	return g.noContent(w, r, id, command.RemoveMember(actor(id), conv, user, cmid))
}

// postMessage sends for a service, or for whoever has a token and no socket.
func (g *Gateway) postMessage(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.PostMessage
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	if err := g.mayStore(id, 1); err != nil {
		return err
	}
	cmd, err := g.messageOf(r.Context(), id, &in, cmid)
	if err != nil {
		return err
	}
	return g.answerAck(w, r, cmd)
}

// messageOf is the command of a message that is sent over HTTP. With an error it comes
// where the message is right, and gets no answer now.
func (g *Gateway) messageOf(ctx context.Context, id auth.Identity, in *wire.PostMessage, cmid chat.CMID) (*command.Command, error) {
	f := &wire.Send{Conv: in.Conv, To: in.To, CMID: cmid, Body: in.Body, ReplyTo: in.ReplyTo, Mentions: in.Mentions, Silent: in.Silent}
	if cerr := wire.Check(f, g.opts.Limits); cerr != nil {
		return nil, cerr
	}
	who := actor(id)
	if in.From != "" && in.From != id.User {
		if cerr := wire.CheckUser("from", in.From); cerr != nil {
			return nil, cerr
		}
		if !id.Has(auth.ScopeSendAny) {
			return nil, chat.Errorf(chat.CodeForbidden, "sending for others needs the scope %s", auth.ScopeSendAny)
		}
		who.User, who.Via = in.From, string(id.User)
	}
	cmd := command.Send(who, f)
	return cmd, g.attach(ctx, cmd, 0, f.Body)
}
